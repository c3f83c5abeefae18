//! What is ended stops working at every gateway, at once.

use std::time::{Duration, Instant};

use serde_json::json;
use system_tests::{Actor, Options, PASSWORD, Stack};
use test_support::{HttpClient, eventually, eventually_within};

/// The same page, seen through the other gateway.
fn through_the_second_gateway(stack: &Stack, actor: &Actor) -> HttpClient {
    let client = HttpClient::new(stack.gateway_url(1));
    client.set_bearer(Some(actor.access_token()));
    client
}

async fn refused(client: &HttpClient) -> Option<()> {
    let answer = client.get("/api/orders").await;
    (answer.status == 401 && answer.code() == "invalid_token").then_some(())
}

/// Logs in, looks at both gateways, logs out, and waits until both refuse; how long that took.
async fn log_out_once(stack: &Stack, email: &str) -> Duration {
    let ann = Actor::log_in(stack.visitor(), email).await;
    let other = through_the_second_gateway(stack, &ann);
    ann.client.get("/api/orders").await.expect(200);
    other.get("/api/orders").await.expect(200);
    ann.client.post_empty("/api/auth/logout").await.expect(204);
    let answered = Instant::now();
    for client in [&ann.client, &other] {
        eventually_within(Duration::from_secs(10), "a gateway refuses", async || refused(client).await).await;
    }
    answered.elapsed()
}

#[expect(clippy::print_stdout, reason = "the distribution is worth reading")]
fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    let (count, p50, p99, most) = (times.len(), at(50), at(99), at(100));
    println!("{what}: {count} logouts, p50 {p50:?}, p99 {p99:?}, most {most:?}");
}

#[tokio::test]
async fn a_logout_is_refused_at_both_gateways_in_milliseconds() {
    let stack = Stack::start().await;
    let email = stack.customer("ann").await.email;
    let mut times = Vec::new();
    for _ in 0..500 {
        times.push(log_out_once(&stack, &email).await);
    }
    report("logout answered to refused at both gateways", times);
}

#[tokio::test]
async fn a_lost_notification_costs_no_more_than_the_poll() {
    // Whoever listens in another database hears nothing.
    let deaf = Options::default().auth("DATABASE_DIRECT_URL", test_support::server_url());
    let stack = Stack::with(deaf).await;
    let email = stack.customer("ann").await.email;
    let mut times = Vec::new();
    for _ in 0..10 {
        times.push(log_out_once(&stack, &email).await);
    }
    report("with the notification lost", times);
}

#[tokio::test]
async fn a_theft_ends_the_access_token_too() {
    let stack = Stack::with(Options::default().auth("REFRESH_GRACE", "0s")).await;
    let ann = stack.customer("ann").await;
    let zero = ann.refresh_token();
    let fresh = ann.refresh().await.expect(200).json()["accessToken"].as_str().unwrap().to_owned();
    ann.present(&zero);
    assert_eq!(ann.refresh().await.expect(401).code(), "late_previous");
    ann.client.set_bearer(Some(&fresh));
    eventually("the thief's access token is refused", async || refused(&ann.client).await).await;
}

#[tokio::test]
async fn logging_out_everywhere_spares_nobody() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let phone = Actor::log_in(stack.visitor(), &ann.email).await;
    ann.client.post_empty("/api/auth/logout-all").await.expect(204);
    for actor in [&ann, &phone] {
        eventually("the token is refused", async || refused(&actor.client).await).await;
    }
    assert_eq!(phone.refresh().await.expect(401).code(), "session_ended");
    Actor::log_in(stack.visitor(), &ann.email).await.client.get("/api/orders").await.expect(200);
}

#[tokio::test]
async fn a_changed_password_ends_every_other_session() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let phone = Actor::log_in(stack.visitor(), &ann.email).await;
    let change =
        |current: &str| json!({"currentPassword": current, "newPassword": "quite another unusual one"});
    let wrong = ann.client.post("/api/auth/password", &change("not the password")).await.expect(403);
    assert_eq!(wrong.code(), "wrong_password");
    ann.client.post("/api/auth/password", &change(PASSWORD)).await.expect(204);

    eventually("the other session's token is refused", async || refused(&phone.client).await).await;
    assert_eq!(phone.refresh().await.expect(401).code(), "session_ended");
    let fresh = ann.refresh().await.expect(200).json();
    ann.client.set_bearer(fresh["accessToken"].as_str());
    ann.client.get("/api/orders").await.expect(200);
    let old = json!({"email": ann.email, "password": PASSWORD});
    assert_eq!(stack.visitor().post("/api/auth/login", &old).await.expect(401).code(), "invalid_credentials");
}

#[tokio::test]
async fn people_see_their_sessions_and_end_one() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let phone = Actor::log_in(stack.visitor(), &ann.email).await;
    let sessions = ann.client.get("/api/auth/sessions").await.expect(200).json();
    let items = sessions["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{sessions}");
    assert_eq!(items.iter().filter(|session| session["current"] == true).count(), 1);
    let other = items.iter().find(|session| session["current"] == false).unwrap()["id"].as_str().unwrap();
    let bob = stack.customer("bob").await;
    bob.client.delete(&format!("/api/auth/sessions/{other}")).await.expect(404);
    ann.client.delete(&format!("/api/auth/sessions/{other}")).await.expect(204);
    eventually("the phone is logged out", async || refused(&phone.client).await).await;
    assert_eq!(phone.refresh().await.expect(401).code(), "session_ended");
    ann.client.get("/api/orders").await.expect(200);
}

#[tokio::test]
async fn a_demoted_administrator_is_one_no_longer() {
    let stack = Stack::start().await;
    let (boss, other) = (stack.admin("boss").await, stack.admin("other").await);
    let id = other.login["user"]["id"].as_str().unwrap();
    other.client.get("/api/admin/orders").await.expect(200);
    boss.client.patch(&format!("/api/admin/users/{id}"), &json!({"role": "USER"})).await.expect(200);
    eventually("the old token is refused", async || {
        let answer = other.client.get("/api/admin/orders").await;
        (answer.status == 401).then_some(())
    })
    .await;
    let again = Actor::log_in(stack.visitor(), &other.email).await;
    again.client.get("/api/admin/orders").await.expect(403);
    let own = boss.login["user"]["id"].as_str().unwrap();
    let last =
        boss.client.patch(&format!("/api/admin/users/{own}"), &json!({"role": "USER"})).await.expect(409);
    assert_eq!(last.code(), "last_admin");
}

#[tokio::test]
async fn gateways_and_auth_services_that_restart_forget_nothing() {
    let mut stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    ann.client.post_empty("/api/auth/logout").await.expect(204);
    for replica in 0..2 {
        stack.gateways[replica].kill();
        stack.gateways[replica] = stack.new_gateway(replica);
        stack.auth[replica].kill();
        stack.auth[replica] = stack.new_auth(replica);
    }
    stack.ready().await;
    let other = through_the_second_gateway(&stack, &ann);
    for client in [&ann.client, &other] {
        eventually("a new gateway has heard of it", async || refused(client).await).await;
    }
}
