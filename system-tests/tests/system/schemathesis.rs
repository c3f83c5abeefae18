//! Somebody else's idea of what to send: schemathesis (PyPI) reads the published documents and asks through the gateway, as a
//! customer and as an administrator. No answer may be a 5xx or one that the documents do not promise.

use std::path::{Path, PathBuf};

use system_tests::{Actor, Stack};

const REQUIREMENTS: [&str; 1] = ["schemathesis==4.32.5"];
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance";

/// These can end the session that asks, since schemathesis uses the ids that it has been shown; every answer afterwards would
/// be the same 401. They are asked by somebody of their own.
const ENDS_THE_CALLER: [&str; 6] = [
    "log_out_everywhere",
    "end_session",
    "change_user",
    "delete_user",
    "end_user_sessions",
    "reset_second_factor",
];

fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api").join(name)
}

/// What schemathesis says of the operations of a document when `actor` asks; it must find nothing.
#[expect(clippy::print_stdout, reason = "how much was asked is for whoever runs this by hand")]
async fn explore(python: &Path, stack: &Stack, actor: &Actor, name: &str, choice: &[&str]) {
    let bearer = format!("Authorization: Bearer {}", actor.access_token());
    // The same requests each time; one worker, since CPython 3.11's parser, which hypothesis uses, fails between threads.
    let repeatable = ["--generation-deterministic", "--no-shrink", "--workers", "1"];
    let bounds = ["--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--request-timeout", "10"];
    let output = tokio::process::Command::new(python.with_file_name("st"))
        .arg("run")
        .arg(document(name))
        .args(["--no-color", "--continue-on-failure", "--warnings", "off", "--checks", CHECKS])
        .args(repeatable)
        .args(bounds)
        .args(["--exclude-tag", "internal", "--url", &stack.url(), "--header", &bearer])
        .args(choice)
        .current_dir(std::env::temp_dir())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{name} {choice:?}:\n{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let figures = said.lines().filter(|line| line.contains("Selected:") || line.contains("generated"));
    println!("{name} {choice:?}:{}", figures.collect::<String>());
}

#[tokio::test]
async fn schemathesis_finds_no_undocumented_answer() {
    let python = test_support::python_with("schemathesis", &REQUIREMENTS);
    let stack = Stack::start().await;
    let choice = |option| ENDS_THE_CALLER.iter().flat_map(move |id| [option, *id]).collect::<Vec<_>>();
    let (boss, ann) = (stack.admin("boss").await, stack.customer("ann").await);
    explore(&python, &stack, &boss, "auth.openapi.json", &choice("--exclude-operation-id")).await;
    explore(&python, &stack, &boss, "orders.openapi.json", &[]).await;
    explore(&python, &stack, &ann, "orders.openapi.json", &["--exclude-tag", "administration"]).await;
    for actor in [&ann, &boss] {
        // Else most answers were the same 401.
        actor.client.get("/api/auth/me").await.expect(200);
    }
    let leaver = stack.admin("leaver").await;
    explore(&python, &stack, &leaver, "auth.openapi.json", &choice("--include-operation-id")).await;
}
