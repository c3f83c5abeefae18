//! What an attacker would try first, with the real processes and two replicas of each. Races for the links of mails and for codes
//! are in `mail` and `second_factor`, guessing is in `throttling`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use system_tests::{Actor, ORIGIN, PASSWORD, Stack};
use test_support::HttpClient;
use test_support::reqwest::Method;
use tokio::task::JoinSet;

use crate::bootstrap::token;
use crate::second_factor::App;

const FACTOR: &str = "/api/auth/second-factor";

/// How many of a hundred posts at once, over both gateways and so over both auth services, got which status.
async fn race(stack: &Stack, path: &str, bearer: Option<&str>, body: &Value) -> BTreeMap<u16, usize> {
    let mut running = JoinSet::new();
    for number in 0..100 {
        let client = HttpClient::new(stack.gateway_url(number % 2)).origin(ORIGIN);
        client.set_bearer(bearer);
        let (path, body) = (path.to_owned(), body.clone());
        running.spawn(async move { client.post(&path, &body).await.status.as_u16() });
    }
    let mut statuses = BTreeMap::new();
    for status in running.join_all().await {
        *statuses.entry(status).or_default() += 1;
    }
    statuses
}

async fn count(stack: &Stack, what: &str) -> i64 {
    let query = format!("SELECT count(*) FROM {what}");
    stack.auth_database().await.query_one(&query, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_bootstraps_at_once_make_one_administrator() {
    let stack = Stack::start().await;
    let tokens = stack.auth.iter().filter_map(|process| token(&process.lines()));
    let mut made = 0;
    for (number, token) in tokens.enumerate() {
        let email = format!("boss{number}@shop.example");
        let body = json!({"token": token, "email": email, "password": PASSWORD});
        let statuses = race(&stack, "/api/auth/bootstrap", None, &body).await;
        made += statuses.get(&201).copied().unwrap_or_default();
        assert!(statuses.keys().all(|status| [201, 403, 404, 503].contains(status)), "{statuses:?}");
    }
    assert_eq!(made, 1);
    assert_eq!(count(&stack, "users").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_confirmations_at_once_give_one_set_of_recovery_codes() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let app = App::enrol(&ann).await;
    let body = json!({"code": app.code(0).await});
    let confirm = format!("{FACTOR}/confirm");
    let statuses = race(&stack, &confirm, Some(ann.access_token()), &body).await;
    assert_eq!(statuses.get(&200), Some(&1), "{statuses:?}");
    assert!(statuses.keys().all(|status| [200, 403, 409].contains(status)), "{statuses:?}");
    assert_eq!(count(&stack, "recovery_codes").await, 10);
}

#[tokio::test]
async fn a_stolen_session_of_an_administrator_cannot_drop_their_second_factor() {
    let stack = Stack::start().await;
    let root = stack.admin("root").await;
    App::of(&stack, &root).await;
    let thief = HttpClient::new(stack.gateway_url(1)).origin(ORIGIN);
    thief.set_bearer(Some(root.access_token()));
    let own = format!("/api/admin/users/{}", root.login["user"]["id"].as_str().unwrap());
    let reset = thief.request(Method::DELETE, &format!("{own}/second-factor"));
    assert_eq!(thief.send(reset).await.expect(403).code(), "forbidden");
    let guessed = json!({"currentPassword": "a quite usual password"});
    for guess in [json!({}), json!({"currentPassword": ""}), guessed.clone()] {
        let disable = thief.request(Method::DELETE, FACTOR).json(&guess);
        let refused = thief.send(disable).await.status.as_u16();
        assert!([400, 403, 422].contains(&refused), "{guess}: {refused}");
    }
    // Nor enrol an app of their own, nor get other recovery codes, nor choose a password.
    let enrolled = thief.post(FACTOR, &guessed).await.status.as_u16();
    assert!([403, 409].contains(&enrolled), "{enrolled}");
    thief.post(&format!("{FACTOR}/recovery-codes"), &guessed).await.expect(403);
    assert_eq!(count(&stack, "second_factors WHERE confirmed_at IS NOT NULL").await, 1);
    let told = thief.get(&own).await.expect(200).json();
    assert_eq!(told["secondFactor"], true);
    let asked = stack.visitor().post("/api/auth/login", &credentials(&root)).await.expect(403);
    assert_eq!(asked.code(), "mfa_required");
}

fn credentials(actor: &Actor) -> Value {
    json!({"email": actor.email, "password": PASSWORD})
}
