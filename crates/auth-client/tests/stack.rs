//! The client, and the example service that uses it, against the real processes.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::process::Command;

use auth_client::{CallError, Client, Introspection};
use serde_json::{Value, json};
use system_tests::Stack;
use test_support::{HttpClient, TestProcess, eventually, free_port};

const ISSUER: &str = "http://localhost:8080";

/// Runs `auth-service clients …` and answers the secret that it shows.
fn secret(stack: &Stack, arguments: &[&str]) -> String {
    let shown: Value = serde_json::from_str(&stack.auth_command(arguments, "")).unwrap();
    shown["clientSecret"].as_str().unwrap().to_owned()
}

fn client(stack: &Stack, id: &str, scopes: &[&str]) -> Client {
    let mut arguments = vec!["clients", "create", "--id", id];
    scopes.iter().for_each(|scope| arguments.extend(["--scope", scope]));
    Client::builder(stack.auth_url(0), id, secret(stack, &arguments)).build().unwrap()
}

/// `examples/billing.rs`, which `cargo test` builds beside this test.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples/billing")
}

async fn start_billing(stack: &Stack, secret: &str) -> (TestProcess, HttpClient) {
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(example());
    // Not the repository's folder: a developer's .env is no part of a test.
    command.current_dir(std::env::temp_dir()).env_clear().envs([
        ("APP_ENV", "development"),
        ("LISTEN", &address),
        ("AUTH_URL", &stack.auth_url(0)),
        ("GATEWAY_URL", &stack.url()),
        ("CLIENT_SECRET", secret),
        ("JWT_ISSUER", ISSUER),
    ]);
    let process = TestProcess::spawn("billing", command);
    let client = HttpClient::new(format!("http://{address}"));
    eventually("the example listens", async || {
        let request = client.request(test_support::reqwest::Method::GET, "/totals");
        client.try_send(request).await.ok().map(drop)
    })
    .await;
    (process, client)
}

#[tokio::test]
async fn the_example_service_verifies_tokens_and_asks_with_its_own() {
    let stack = Stack::start().await;
    let secret = secret(&stack, &["clients", "create", "--id", "billing", "--scope", "introspect"]);
    let other = client(&stack, "reports", &[]);
    let (ann, root) = (stack.customer("ann").await, stack.admin("root").await);
    for sku in ["tea", "kettle"] {
        ann.place_order(sku).await;
    }
    let (_process, billing) = start_billing(&stack, &secret).await;
    let other_token = other.token().await.unwrap();
    for (token, status) in [
        (None, 401),
        (Some("garbage"), 401),
        (Some(ann.access_token()), 403),
        (Some(other_token.expose()), 403),
    ] {
        billing.set_bearer(token);
        billing.get("/totals").await.expect(status);
    }
    billing.set_bearer(Some(root.access_token()));
    let totals = billing.get("/totals").await.expect(200).json();
    assert_eq!(totals, json!({"for": root.login["user"]["id"], "totals": {"EUR": 5_000}}));

    // Its secret is replaced under it, with an overlap: nobody notices.
    stack.auth_command(&["clients", "rotate", "billing", "--keep-old", "1h"], "");
    billing.get("/totals").await.expect(200);
    // Without one, its token is refused at the gateway and the secret at the auth service: an error of the operator's.
    stack.auth_command(&["clients", "rotate", "billing"], "");
    eventually("the old secret has ended", async || {
        (billing.get("/totals").await.status == 500).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_asks_about_tokens_and_ends_sessions() {
    let stack = Stack::start().await;
    let guard = client(&stack, "guard", &["introspect", "revoke", "orders:read"]);
    let ann = stack.customer("ann").await;
    let (own, again) = (guard.token().await.unwrap(), guard.token().await.unwrap());
    assert_eq!(own, again, "it is kept");
    let Introspection::AccessToken(info) = guard.introspect(own.expose()).await.unwrap() else {
        panic!("inactive")
    };
    assert!(info.is_client() && info.has_scope("orders:read") && !info.has_scope("orders"));
    let Introspection::AccessToken(info) = guard.introspect(ann.access_token()).await.unwrap() else {
        panic!("inactive")
    };
    assert_eq!(info.username.as_deref(), Some("ann@shop.example"));
    assert_eq!(info.amr, ["pwd"]);
    assert!(info.auth_time.is_some_and(|at| info.iat.is_some_and(|given| at <= given)), "{info:?}");
    assert!(!info.is_client());
    let refresh = guard.introspect(&ann.refresh_token()).await.unwrap();
    assert!(matches!(&refresh, Introspection::RefreshToken(of) if of.sub == info.sub), "{refresh:?}");

    let verifier = guard.verifier(ISSUER, "portcullis");
    assert_eq!(verifier.verify(ann.access_token()).await.unwrap().sub, info.sub);
    assert!(verifier.verify(own.expose()).await.unwrap().is_client());
    guard.verifier("https://else.example", "portcullis").verify(own.expose()).await.unwrap_err();

    guard.revoke(ann.access_token()).await.unwrap();
    guard.revoke("garbage").await.unwrap();
    for token in [ann.access_token(), &ann.refresh_token(), "garbage", ""] {
        let told = guard.introspect(token).await;
        assert!(matches!(told, Ok(Introspection::Inactive) | Err(CallError::Refused { .. })), "{told:?}");
    }
    let own_end = guard.revoke(own.expose()).await.unwrap_err();
    assert!(
        matches!(&own_end, CallError::Refused { error, .. } if error == "unsupported_token_type"),
        "{own_end:?}"
    );
}

#[tokio::test]
async fn a_client_without_a_scope_is_told_so() {
    let stack = Stack::start().await;
    let plain = client(&stack, "plain", &[]);
    for refused in [plain.introspect("x").await.map(drop), plain.revoke("x").await] {
        let refused = refused.unwrap_err();
        assert!(
            matches!(&refused, CallError::Refused { error, .. } if error == "insufficient_scope"),
            "{refused:?}"
        );
    }
    let wide =
        Client::builder(stack.auth_url(1), "plain", "portcullis_cs_wrong").scope("all").build().unwrap();
    let refused = wide.token().await.unwrap_err();
    assert!(matches!(&refused, CallError::Refused { status: 401, error, .. } if error == "invalid_client"));
}
