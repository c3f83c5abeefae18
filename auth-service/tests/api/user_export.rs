//! `users export`, with the real binary: all that another system needs, and the same again after a journey.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use process::Mode;
use serde_json::{Value, json};

use crate::support::{Environment, TestApp, complaint, environment, import, line, lines, run, stdout};

const HASH: &str = "$2y$04$qASuebsFmzlzDNXZ8Yg.FuBZGXOtnCoIapc27sUWGQ.I03RixIPPa";

async fn app() -> (TestApp, Environment) {
    let app = TestApp::start().await;
    let environment = environment(Mode::Production, &app.database, &[]);
    (app, environment)
}

/// What is on standard output.
fn export(environment: &Environment) -> String {
    let output = run(&["users", "export"], environment, "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    stdout(&output)
}

#[tokio::test]
async fn accounts_are_the_same_after_a_journey_to_another_installation_and_back() {
    let (here, environment) = app().await;
    here.registered("ann").await;
    here.admin("root").await;
    let bob = json!({
        "passwordHash": HASH, "status": "disabled", "demo": true,
        "createdAt": "2019-05-06T07:08:09.1234Z", "emailVerifiedAt": "2020-01-01T00:00:00Z",
    });
    import(&environment, &[], &(line("bob", &bob) + &line("eve", &json!({})) + &lines(2_100)));
    let exported = export(&environment);
    assert_eq!(exported.lines().count(), 2_104);

    let (_there, environment) = app().await;
    let imported = import(&environment, &["--allow-admins"], &exported);
    assert_eq!((imported.code, imported.count("imported")), (Some(0), 2_104));
    assert_eq!(export(&environment), exported);
    assert_eq!(import(&environment, &["--allow-admins"], &exported).count("unchanged"), 2_104);
}

#[tokio::test]
async fn a_line_holds_what_there_is_to_tell_and_that_a_second_factor_stays_behind() {
    let (app, environment) = app().await;
    let (ann, _phone) = app.careful_customer("ann").await;
    let hash: String =
        app.sql().await.query_one("SELECT password_hash FROM users", &[]).await.unwrap().get(0);
    let exported = export(&environment);
    let told: Value = serde_json::from_str(&exported).unwrap();
    let expected = json!({
        "id": ann.identity.user, "email": "ann@example.com", "passwordHash": hash, "role": "USER",
        "status": "active", "createdAt": told["createdAt"], "secondFactor": true,
    });
    assert_eq!(told, expected);
    assert_eq!(app.audited("accounts_exported").await["detail"], json!({"by": "operator"}));

    let (there, environment) = self::app().await;
    let imported = import(&environment, &[], &exported);
    assert_eq!(imported.entries(), ["1 imported second_factor_dropped"]);
    there.visitor().log_in("ann").await.expect(200);
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_file_is_private_whole_and_in_nobodys_place() {
    let (app, environment) = app().await;
    app.registered("ann").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts.ndjson");
    let arguments = ["users", "export", path.to_str().unwrap()];
    assert_eq!(stdout(&run(&arguments, &environment, "")), "{\"accounts\":1}\n");
    assert_eq!(mode(&path), 0o600);
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, export(&environment));

    app.registered("bob").await;
    let again = complaint(&run(&arguments, &environment, ""));
    assert!(again.contains("is there already"), "{again}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
    // One that fails leaves nothing behind.
    app.sql().await.batch_execute("ALTER TABLE users RENAME COLUMN role TO part").await.unwrap();
    let path = folder.path().join("other.ndjson");
    complaint(&run(&["users", "export", path.to_str().unwrap()], &environment, ""));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
