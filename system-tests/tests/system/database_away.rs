//! PostgreSQL stops and comes back.

use std::time::{Duration, Instant};

use serde_json::json;
use system_tests::{Options, PASSWORD, Server, Stack};
use test_support::{Answer, eventually};

async fn unavailable(what: &str, call: impl Future<Output = Answer>) {
    let started = Instant::now();
    let answer = call.await.expect(503);
    assert!(started.elapsed() < Duration::from_millis(1_500), "{what} took {:?}", started.elapsed());
    assert!(answer.header("retry-after").is_some(), "{what}");
    assert_eq!(answer.code(), "unavailable", "{what}");
}

#[tokio::test]
async fn everything_that_needs_it_answers_503_at_once_and_recovers_by_itself() {
    let mut stack = Stack::on(Server::own(&[]), Options::default()).await;
    let ann = stack.customer("ann").await;
    ann.place_order("tea").await;
    let token = ann.refresh_token();
    stack.server.cluster().stop().unwrap();

    let credentials = json!({"email": ann.email, "password": PASSWORD});
    unavailable("login", ann.client.post("/api/auth/login", &credentials)).await;
    let guess = json!({"email": ann.email, "password": "not the password"});
    unavailable("a guess", ann.client.post("/api/auth/login", &guess)).await;
    let bob = json!({"email": "bob@shop.example", "password": PASSWORD});
    unavailable("a registration", ann.client.post("/api/auth/register", &bob)).await;
    unavailable("refresh", ann.refresh()).await;
    unavailable("orders", ann.client.get("/api/orders")).await;
    assert_eq!(ann.refresh_token(), token, "nobody's cookie is taken away for it");
    // What is in memory goes on: keys, and the gateway's own work.
    ann.client.get("/.well-known/jwks.json").await.expect(200);
    ann.client.get("/api/admin/orders").await.expect(403);
    let not_ready = stack.auth_admin(0).get("/readyz").await.expect(503);
    assert!(not_ready.text().contains("database"), "{}", not_ready.text());
    stack.auth_admin(0).get("/healthz").await.expect(200);

    stack.server.cluster().restart().unwrap();
    eventually("a refresh succeeds", async || (ann.refresh().await.status == 200).then_some(())).await;
    eventually("orders are listed", async || {
        (ann.client.get("/api/orders").await.status == 200).then_some(())
    })
    .await;
    stack.ready().await;
}
