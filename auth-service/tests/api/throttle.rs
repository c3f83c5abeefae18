//! Who fails too often waits, and nobody else.

use auth_service::app::App;
use futures_util::future::join_all;
use serde_json::json;
use test_support::eventually;

use crate::support::{Actor, PASSWORD, Reply, TestApp};

const WRONG: &str = "kettle-8-fog-lamp";
/// What is in force when nothing else is said.
const DEFAULTS: [(&str, &str); 4] = [
    ("THROTTLE_ACCOUNT_ADDRESS", "5/15m"),
    ("THROTTLE_ACCOUNT", "100/1h"),
    ("THROTTLE_ADDRESS", "100/15m"),
    ("THROTTLE_REGISTRATION", "20/1h"),
];

async fn attempt(actor: &Actor, name: &str, password: &str) -> Reply {
    let body = json!({"email": format!("{name}@example.com"), "password": password});
    actor.post("/api/auth/login", &body).await
}

/// The seconds that somebody has to wait.
#[track_caller]
fn wait(reply: Reply) -> u64 {
    let reply = reply.refused(429, "too_many_attempts");
    reply.header("retry-after").unwrap().parse().unwrap()
}

/// Lets time pass for all that is counted.
async fn let_pass(app: &TestApp, seconds: u32) {
    let shift = "UPDATE throttles SET expires_at = expires_at - $1 * interval '1 s', \
                 blocked_until = blocked_until - $1 * interval '1 s'";
    app.sql().await.execute(shift, &[&f64::from(seconds)]).await.unwrap();
}

fn hashes(app: &App) -> u64 {
    let metrics = app.metrics.encode();
    let line = metrics.lines().find_map(|line| line.strip_prefix("auth_hashes_total "));
    line.unwrap().parse().unwrap()
}

async fn throttled_rows(app: &TestApp) -> i64 {
    let count = "SELECT count(*) FROM audit_events WHERE kind = 'throttled'";
    app.sql().await.query_one(count, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn after_five_wrong_passwords_the_right_one_waits_too() {
    let app = TestApp::start_with(&DEFAULTS).await;
    let ann = app.registered("ann").await;
    for _wrong in 0..5 {
        attempt(&ann, "ann", WRONG).await.refused(401, "invalid_credentials");
    }
    // The registration and the five; a hash is counted after it has been answered.
    eventually("all hashes are counted", async || (hashes(&app.app) == 6).then_some(())).await;
    for password in [PASSWORD, WRONG, PASSWORD] {
        assert!((1..=2).contains(&wait(attempt(&ann, "ann", password).await)));
    }
    assert_eq!(hashes(&app.app), 6, "nothing is hashed for who has to wait");
    assert_eq!(throttled_rows(&app).await, 1);
    let audited = app.audited("throttled").await;
    assert_eq!(
        (&audited["detail"]["purpose"], &audited["detail"]["limit"]),
        (&"login".into(), &"account_address".into())
    );
    assert_eq!(audited["address"], "203.0.113.7");
    let counted = r#"auth_throttled_total{purpose="login",limit="account_address"} 3"#;
    assert!(app.app.metrics.encode().contains(counted));

    let_pass(&app, 1).await;
    attempt(&ann, "ann", WRONG).await.refused(401, "invalid_credentials");
    assert!((2..=3).contains(&wait(attempt(&ann, "ann", PASSWORD).await)), "the wait doubles");
    let_pass(&app, 2).await;
    attempt(&ann, "ann", PASSWORD).await.expect(200);
    attempt(&ann, "ann", WRONG).await.refused(401, "invalid_credentials");
    attempt(&ann, "ann", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn whoever_succeeds_is_never_throttled() {
    let app = TestApp::start_with(&[("THROTTLE_ADDRESS", "3/1h"), ("THROTTLE_ACCOUNT", "3/1h")]).await;
    let ann = app.registered("ann").await;
    for _login in 0..10 {
        attempt(&ann, "ann", PASSWORD).await.expect(200);
    }
}

#[tokio::test]
async fn what_is_said_does_not_depend_on_whether_the_account_exists() {
    let app = TestApp::start_with(&DEFAULTS).await;
    let ann = app.registered("ann").await;
    let mut told = Vec::new();
    for name in ["ann", "bob"] {
        for _wrong in 0..5 {
            attempt(&ann, name, WRONG).await.refused(401, "invalid_credentials");
        }
        let reply = attempt(&ann, name, WRONG).await.refused(429, "too_many_attempts");
        told.push((reply.json()["detail"].clone(), reply.header("retry-after").map(str::to_owned)));
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn strangers_lock_nobody_out() {
    let app =
        TestApp::start_with(&[("THROTTLE_ACCOUNT_ADDRESS", "5/15m"), ("THROTTLE_ACCOUNT", "10/1h")]).await;
    let ann = app.customer("ann").await;
    for stranger in 1..=10 {
        let stranger = ann.at_address(&format!("198.51.100.{stranger}"));
        attempt(&stranger, "ann", WRONG).await.refused(401, "invalid_credentials");
    }
    let elsewhere = ann.at_address("198.51.100.99");
    assert!(wait(attempt(&elsewhere, "ann", PASSWORD).await) > 3_500);
    attempt(&ann, "ann", PASSWORD).await.expect(200);
    // Nor those who share her address, by trying other accounts.
    attempt(&ann, "ann", WRONG).await.refused(401, "invalid_credentials");
    attempt(&ann, "ann", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_address_of_its_own_for_each_attempt_is_one_network() {
    let app = TestApp::start_with(&[("THROTTLE_ADDRESS", "3/1h")]).await;
    let ann = app.registered("ann").await;
    for number in 1..=3 {
        let from = ann.at_address(&format!("2001:db8:7:7:{number}::{number}"));
        attempt(&from, &format!("guess{number}"), WRONG).await.refused(401, "invalid_credentials");
    }
    wait(attempt(&ann.at_address("2001:db8:7:7::4"), "guess4", WRONG).await);
    attempt(&ann.at_address("2001:db8:7:8::4"), "guess4", WRONG).await.refused(401, "invalid_credentials");
    // An IPv4 address is one, however it is written.
    for spelling in ["192.0.2.7", "::ffff:192.0.2.7", "192.0.2.7"] {
        attempt(&ann.at_address(spelling), "guess5", WRONG).await.refused(401, "invalid_credentials");
    }
    wait(attempt(&ann.at_address("::ffff:192.0.2.7"), "guess5", WRONG).await);
}

#[tokio::test]
async fn of_a_hundred_at_once_over_two_replicas_only_the_allowed_ones_are_hashed() {
    let settings = [("THROTTLE_ACCOUNT", "9/1h"), ("HASH_QUEUE_DEADLINE", "60s")];
    let app = TestApp::start_with(&settings).await;
    let replica = app.replica(&settings).await;
    replica.load_keys().await.unwrap();
    let ann = app.registered("ann").await;
    let elsewhere = ann.at(&replica.gateway);
    let attempts = (0..100).map(|number| {
        let actor = if number % 2 == 0 { &ann } else { &elsewhere };
        attempt(actor, "ann", WRONG)
    });
    let statuses: Vec<u16> = join_all(attempts).await.iter().map(|reply| reply.status.as_u16()).collect();
    let count = |status| statuses.iter().filter(|other| **other == status).count();
    assert_eq!((count(401), count(429)), (9, 91), "{statuses:?}");
    let both = || hashes(&app.app) + hashes(&replica.app);
    eventually("the nine are hashed, and the registration", async || (both() == 10).then_some(())).await;
    assert_eq!(throttled_rows(&app).await, 1);
}

#[tokio::test]
async fn who_is_sent_away_by_a_full_queue_has_not_failed() {
    let settings = [
        ("THROTTLE_ACCOUNT", "5/1h"),
        ("HASH_THREADS", "1"),
        ("HASH_QUEUE_DEADLINE", "0s"),
        ("BCRYPT_COST", "13"),
    ];
    let app = TestApp::start_with(&settings).await;
    let visitor = app.visitor();
    let occupant = async { visitor.clone().log_in("bob").await.refused(401, "invalid_credentials") };
    let others = async {
        eventually("the only thread hashes", async || {
            app.app.metrics.encode().contains("auth_hashes_running 1").then_some(())
        })
        .await;
        for _attempt in 0..10 {
            attempt(&visitor, "ann", PASSWORD).await.refused(503, "unavailable");
        }
    };
    tokio::join!(occupant, others);
    let failures = "SELECT coalesce(sum(failures), 0) FROM throttles";
    let failures: i64 = app.sql().await.query_one(failures, &[]).await.unwrap().get(0);
    assert_eq!(failures, 1, "the occupant's");
}

#[tokio::test]
async fn one_address_makes_twenty_accounts_an_hour() {
    let app = TestApp::start_with(&[("THROTTLE_REGISTRATION", "3/1h")]).await;
    let visitor = app.visitor();
    let register = async |name: &str| {
        visitor
            .post(
                "/api/auth/register",
                &json!({"email": format!("{name}@example.com"), "password": PASSWORD}),
            )
            .await
    };
    register("ann").await.expect(201);
    // What cannot be is not counted; what is taken is.
    visitor
        .post("/api/auth/register", &json!({"email": "bob", "password": "x"}))
        .await
        .refused(422, "invalid_fields");
    register("ann").await.refused(409, "email_taken");
    register("bob").await.expect(201);
    assert!(wait(register("eve").await) > 3_500);
    let_pass(&app, 3_600).await;
    register("eve").await.expect(201);
}

#[tokio::test]
async fn a_stolen_session_guesses_no_password() {
    let app = TestApp::start_with(&DEFAULTS).await;
    let ann = app.customer("ann").await;
    for _wrong in 0..5 {
        ann.change_password(WRONG, "a lamp in the fog, at last").await.refused(403, "wrong_password");
    }
    wait(ann.change_password(PASSWORD, "a lamp in the fog, at last").await);
    // Her logins are counted apart.
    attempt(&ann, "ann", PASSWORD).await.expect(200);
    let_pass(&app, 1).await;
    ann.change_password(PASSWORD, "a lamp in the fog, at last").await.expect(204);
}

#[tokio::test]
async fn a_bootstrap_token_is_not_guessed_for_long() {
    let app =
        TestApp::start_with(&[("ALLOW_BOOTSTRAP", "true"), ("THROTTLE_ACCOUNT_ADDRESS", "5/15m")]).await;
    let guess = json!({"token": "wrong", "email": "root@example.com", "password": PASSWORD});
    for _wrong in 0..5 {
        app.program().post("/api/auth/bootstrap", &guess).await.refused(403, "invalid_bootstrap_token");
    }
    wait(app.program().post("/api/auth/bootstrap", &guess).await);
    app.registered("ann").await;
    app.sql().await.batch_execute("UPDATE users SET role = 'ADMIN'").await.unwrap();
    app.program().post("/api/auth/bootstrap", &guess).await.refused(404, "not_found");
}
