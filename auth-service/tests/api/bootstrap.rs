//! The first administrator.

use auth_service::accounts::bootstrap::{BootstrapToken, LIFETIME};
use auth_service::db;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Reply, TestApp};

const ALLOWED: [(&str, &str); 1] = [("ALLOW_BOOTSTRAP", "true")];

/// What the operator reads off the terminal; the one printed at the test's own start is replaced.
async fn printed_token(app: &TestApp) -> Option<String> {
    let token = BootstrapToken::generate().unwrap();
    db::bootstrap::offer(&app.app.database, token.hash(), LIFETIME)
        .await
        .unwrap()
        .then(|| token.expose().to_owned())
}

async fn bootstrap(app: &TestApp, token: &str, name: &str) -> Reply {
    let body = json!({"token": token, "email": format!("{name}@example.com"), "password": PASSWORD});
    app.program().post("/api/auth/bootstrap", &body).await
}

#[tokio::test]
async fn the_operator_becomes_the_first_administrator() {
    let app = TestApp::start_with(&ALLOWED).await;
    let token = printed_token(&app).await.unwrap();
    let reply = bootstrap(&app, &token, "root").await.expect(201);
    assert_eq!(reply.json()["user"]["role"], "ADMIN");
    assert_eq!(reply.json()["user"]["email"], "root@example.com");
    assert_eq!(app.visitor().log_in("root").await.expect(200).json()["user"]["role"], "ADMIN");
    let event = "SELECT address, user_agent FROM audit_events WHERE kind = 'account_created'";
    let row = app.sql().await.query_one(event, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), ("203.0.113.7", "story/1.0"), "it is on record from where");
}

#[tokio::test]
async fn once_there_was_one_it_is_over_for_good() {
    let app = TestApp::start_with(&ALLOWED).await;
    let token = printed_token(&app).await.unwrap();
    bootstrap(&app, &token, "root").await.expect(201);
    bootstrap(&app, &token, "other").await.refused(404, "not_found");
    app.sql().await.batch_execute("DELETE FROM users").await.unwrap();
    assert_eq!(printed_token(&app).await, None);
    bootstrap(&app, &token, "other").await.refused(404, "not_found");
}

#[tokio::test]
async fn an_administrator_made_otherwise_ends_it_too() {
    let app = TestApp::start_with(&ALLOWED).await;
    app.registered("ann").await;
    let token = printed_token(&app).await.unwrap();
    app.sql().await.batch_execute("UPDATE users SET role = 'ADMIN'").await.unwrap();
    bootstrap(&app, &token, "root").await.refused(404, "not_found");
}

#[tokio::test]
async fn a_wrong_token_an_old_one_and_a_replaced_one_are_refused() {
    let app = TestApp::start_with(&ALLOWED).await;
    let replaced = printed_token(&app).await.unwrap();
    let token = printed_token(&app).await.unwrap();
    for wrong in ["", "wrong", &replaced, &token[1..]] {
        bootstrap(&app, wrong, "root").await.refused(403, "invalid_bootstrap_token");
    }
    app.sql().await.batch_execute("UPDATE bootstrap SET expires_at = now()").await.unwrap();
    bootstrap(&app, &token, "root").await.refused(403, "invalid_bootstrap_token");
}

#[tokio::test]
async fn of_two_with_the_token_one_wins() {
    let app = TestApp::start_with(&ALLOWED).await;
    let token = printed_token(&app).await.unwrap();
    let (one, other) = tokio::join!(bootstrap(&app, &token, "one"), bootstrap(&app, &token, "other"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 404]);
}

#[tokio::test]
async fn a_bad_choice_does_not_use_the_token_up() {
    let app = TestApp::start_with(&ALLOWED).await;
    app.registered("ann").await;
    let token = printed_token(&app).await.unwrap();
    let bad: Value = json!({"token": token, "email": "root", "password": "short"});
    let reply = app.program().post("/api/auth/bootstrap", &bad).await.refused(422, "invalid_fields");
    assert_eq!(reply.field_errors(), ["email: invalid", "password: too_short"]);
    bootstrap(&app, &token, "ann").await.refused(409, "email_taken");
    bootstrap(&app, &token, "root").await.expect(201);
}

#[tokio::test]
async fn where_it_is_not_allowed_there_is_nothing() {
    let app = TestApp::start().await;
    let token = printed_token(&app).await.unwrap();
    bootstrap(&app, &token, "root").await.refused(404, "not_found");
}
