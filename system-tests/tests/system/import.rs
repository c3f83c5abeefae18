//! People who come from another system, stay who they were to every service, and come back after they had left.

use std::process::Command;

use serde_json::{Value, json};
use system_tests::{Actor, ORIGIN, PASSWORD, Stack};
use test_support::{HttpClient, eventually, python_with};

/// As another system has it: of version 4.
const ID: &str = "6c1e4d2a-1111-4222-8333-000000000001";

/// A hash of everybody's password by another system's library.
fn foreign_hash() -> String {
    let script = "import bcrypt, sys; print(bcrypt.hashpw(sys.argv[1].encode(), bcrypt.gensalt(5, prefix=b'2a')).decode())";
    let mut python = Command::new(python_with("bcrypt", &["bcrypt==5.0.0"]));
    let output = python.args(["-c", script, PASSWORD]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn import(stack: &Stack, file: &str) -> Value {
    serde_json::from_str(&stack.auth_command(&["users", "import", "-"], file)).unwrap()
}

/// Somebody who was imported, at one of the gateways.
async fn log_in(stack: &Stack, gateway: usize, name: &str) -> Actor {
    let client = HttpClient::new(stack.gateway_url(gateway)).origin(ORIGIN);
    Actor::log_in(client, &format!("{name}@shop.example")).await
}

async fn orders(actor: &Actor) -> Vec<Value> {
    actor.client.get("/api/orders").await.expect(200).json()["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_from_elsewhere_keeps_password_and_id_and_finds_the_orders_again_after_leaving() {
    let stack = Stack::start().await;
    let ann = json!({"id": ID, "email": "Ann@Shop.example", "passwordHash": foreign_hash()});
    let bob = json!({"email": "bob@shop.example"});
    let imported = import(&stack, &format!("{ann}\n{bob}\n"));
    assert_eq!((&imported["imported"], &imported["withoutPassword"]), (&json!(2), &json!(1)));

    let ann = log_in(&stack, 0, "ann").await;
    assert_eq!(ann.login["user"]["id"], ID);
    let order = ann.place_order("tea").await;
    let bob = json!({"email": "bob@shop.example", "password": PASSWORD});
    let refused = stack.visitor().post("/api/auth/login", &bob).await.expect(401);
    assert_eq!(refused.code(), "invalid_credentials");

    // Her hash in the file is the one that her login has made of it; bob still has none.
    let exported = stack.auth_command(&["users", "export"], "");
    assert_eq!(exported.lines().filter(|line| line.contains("passwordHash")).count(), 1);
    assert_eq!(import(&stack, &exported)["unchanged"], 2);

    stack.auth_command(&["users", "delete", ID], "");
    assert_eq!(ann.refresh().await.expect(401).code(), "session_ended");
    let back = import(&stack, &exported);
    assert_eq!((&back["imported"], &back["unchanged"]), (&json!(1), &json!(1)));
    for gateway in 0..2 {
        let old = HttpClient::new(stack.gateway_url(gateway));
        old.set_bearer(Some(ann.access_token()));
        eventually("the gateway knows that the old tokens are dead", async || {
            (old.get("/api/orders").await.status == 401).then_some(())
        })
        .await;
        let ann = log_in(&stack, gateway, "ann").await;
        assert_eq!(orders(&ann).await, std::slice::from_ref(&order));
    }
}
