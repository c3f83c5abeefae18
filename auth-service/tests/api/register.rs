//! Getting an account.

use serde_json::json;
use test_support::tokio_postgres::Client;

use crate::support::{PASSWORD, TestApp};

#[tokio::test]
async fn ann_gets_an_account() {
    let app = TestApp::start().await;
    let reply = app
        .visitor()
        .post("/api/auth/register", &json!({"email": " Ann@Example.COM ", "password": PASSWORD}))
        .await;
    let user = reply.expect(201).json()["user"].clone();
    assert_eq!(user["email"], "ann@example.com");
    assert_eq!(user["role"], "USER");
    assert!(user["id"].is_string());
    app.visitor().log_in("ann").await.expect(200);
}

#[tokio::test]
async fn an_address_has_one_account_however_it_is_written() {
    let app = TestApp::start().await;
    app.registered("ann").await;
    for same in ["ann@example.com", "ANN@example.com", "\tann@EXAMPLE.com\n"] {
        let again = json!({"email": same, "password": PASSWORD});
        app.visitor().post("/api/auth/register", &again).await.refused(409, "email_taken");
    }
}

#[tokio::test]
async fn two_people_want_the_same_address_at_once() {
    let app = TestApp::start().await;
    let attempt = || async {
        app.visitor()
            .post("/api/auth/register", &json!({"email": "ann@example.com", "password": PASSWORD}))
            .await
    };
    let (one, other) = tokio::join!(attempt(), attempt());
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn everything_wrong_is_told_at_once() {
    let app = TestApp::start().await;
    let check = async |email: &str, password: &str, expected: &[&str]| {
        let body = json!({"email": email, "password": password});
        let reply = app.visitor().post("/api/auth/register", &body).await.refused(422, "invalid_fields");
        assert_eq!(reply.field_errors(), expected, "{body}");
    };
    check("ann", "short", &["email: invalid", "password: too_short"]).await;
    check("", PASSWORD, &["email: required"]).await;
    check("ann\u{0}@example.com", PASSWORD, &["email: forbidden_character"]).await;
    check("ann@example.com", "kettle-7-fog\u{0}", &["password: forbidden_character"]).await;
    check("ann@example.com", &"kettle7fog".repeat(8), &["password: too_long"]).await;
    check("ann@example.com", "qwertyuiop123", &["password: common"]).await;
    check("ann.watson@example.com", "ann.watson123", &["password: similar_to_email"]).await;
    assert_eq!(count_users(&app.sql().await).await, 0);
}

#[tokio::test]
async fn nobody_makes_themselves_administrator() {
    let app = TestApp::start().await;
    let body = json!({"email": "eve@example.com", "password": PASSWORD, "role": "ADMIN", "id": "x", "status": "active"});
    let reply = app.visitor().post("/api/auth/register", &body).await.expect(201);
    assert_eq!(reply.json()["user"]["role"], "USER");
}

#[tokio::test]
async fn only_the_hash_of_a_password_is_stored() {
    let app = TestApp::start().await;
    app.registered("ann").await;
    let row = app.sql().await.query_one("SELECT password_hash FROM users", &[]).await.unwrap();
    let hash: String = row.get(0);
    assert!(hash.starts_with("$2b$04$") && bcrypt::verify(PASSWORD, &hash).unwrap(), "{hash}");
}

async fn count_users(sql: &Client) -> i64 {
    sql.query_one("SELECT count(*) FROM users", &[]).await.unwrap().get(0)
}
