//! The second step of a login, attacked.

use std::time::Duration;

use auth_service::accounts::UserId;
use auth_service::second_factor::FactorId;
use auth_service::sessions::Delivery;
use auth_service::tokens::LoginChallenge;
use auth_service::tokens::login_challenge::PasswordFingerprint;
use futures_util::future::join_all;
use secret::Secret;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::support::{Actor, Authenticator, JWT_SECRET, PASSWORD, PostgresProxy, TestApp, migrated_database};

const OTHER_SECRET: &str = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";

/// How many of a hundred at once, half of them on another replica, get a session.
async fn winners(app: &TestApp, other: &Actor, challenge: &str, code: &str) -> usize {
    let one = app.visitor();
    let attempts = (0..100).map(|number| {
        let mut tab = if number % 2 == 0 { one.clone() } else { other.clone() };
        async move { tab.second_step(challenge, code).await }
    });
    let replies = join_all(attempts).await;
    for reply in &replies {
        if reply.status != 200 {
            reply.clone().refused(401, "invalid_code");
        }
    }
    replies.iter().filter(|reply| reply.status == 200).count()
}

#[tokio::test]
async fn of_a_hundred_that_show_one_code_at_once_one_gets_in() {
    let app = TestApp::start().await;
    let replica = app.replica(&[]).await;
    replica.load_keys().await.unwrap();
    let (_, phone) = app.careful_customer("ann").await;
    let other = app.visitor().at(&replica.gateway);
    let challenge = app.visitor().first_step("ann").await;
    assert_eq!(winners(&app, &other, &challenge, &phone.code(0)).await, 1);
    assert_eq!(winners(&app, &other, &challenge, &phone.recovery_codes[0]).await, 1);
    let sessions = "SELECT count(*) FROM sessions WHERE 'mfa' = ANY (amr)";
    let opened: i64 = app.sql().await.query_one(sessions, &[]).await.unwrap().get(0);
    assert_eq!(opened, 2);
}

#[tokio::test]
async fn a_challenge_ends_with_whatever_the_password_was_verified_for() {
    for change in [
        "UPDATE users SET password_hash = password_hash || 'x'",
        "UPDATE users SET epoch = epoch + 1",
        "UPDATE users SET status = 'disabled'",
        "DELETE FROM users",
    ] {
        let app = TestApp::start().await;
        let (_, phone) = app.careful_customer("ann").await;
        let challenge = app.visitor().first_step("ann").await;
        app.sql().await.batch_execute(change).await.unwrap();
        app.visitor().second_step(&challenge, &phone.code(0)).await.refused(401, "invalid_challenge");
    }
}

#[tokio::test]
async fn a_stolen_challenge_is_void_once_the_owner_changes_the_password() {
    let app = TestApp::start().await;
    let (ann, phone) = app.careful_customer("ann").await;
    let stolen = app.visitor().first_step("ann").await;
    ann.change_password(PASSWORD, "another-7-fog-lamp").await.expect(204);
    app.visitor().second_step(&stolen, &phone.code(0)).await.refused(401, "invalid_challenge");
    app.visitor().second_step(&stolen, &phone.recovery_codes[0]).await.refused(401, "invalid_challenge");
}

/// A challenge that says what the test wants.
async fn forged(app: &TestApp, change: impl FnOnce(&mut LoginChallenge)) -> String {
    let query = "SELECT users.id::text, second_factors.id::text, epoch, password_hash \
                 FROM users JOIN second_factors ON user_id = users.id";
    let row = app.sql().await.query_one(query, &[]).await.unwrap();
    let id = |column: usize| row.get::<_, String>(column).parse::<Uuid>().unwrap();
    let mut challenge = LoginChallenge {
        user: UserId(id(0)),
        factor: FactorId(id(1)),
        epoch: row.get(2),
        password: PasswordFingerprint::of(&Secret::new(row.get(3))),
        delivery: Delivery::Cookie,
        expires_at: OffsetDateTime::now_utc() + Duration::from_secs(60),
    };
    change(&mut challenge);
    app.app.challenge_keys.seal(&challenge).unwrap().expose().clone()
}

#[tokio::test]
async fn a_challenge_is_good_for_its_time_and_its_factor_only() {
    let app = TestApp::start().await;
    let (_, phone) = app.careful_customer("ann").await;
    let late = forged(&app, |challenge| challenge.expires_at = OffsetDateTime::now_utc()).await;
    app.visitor().second_step(&late, &phone.code(0)).await.refused(401, "invalid_challenge");
    let other = forged(&app, |challenge| challenge.factor = FactorId::generate()).await;
    app.visitor().second_step(&other, &phone.code(0)).await.refused(401, "invalid_challenge");
    let nobody = forged(&app, |challenge| challenge.user = UserId::generate()).await;
    app.visitor().second_step(&nobody, &phone.code(0)).await.refused(401, "invalid_challenge");
    let good = forged(&app, |_| ()).await;
    app.visitor().second_step(&good, &phone.code(0)).await.expect(200);
}

#[tokio::test]
async fn a_challenge_is_nothing_but_a_challenge() {
    let app = TestApp::start().await;
    let (mut ann, phone) = app.careful_customer("ann").await;
    let mut thief = app.visitor();
    let challenge = thief.first_step("ann").await;
    thief.set_cookie(&challenge);
    thief.refresh().await.refused(401, "invalid_token");
    let program = app.program();
    program
        .post("/api/auth/refresh", &json!({"refreshToken": challenge}))
        .await
        .refused(401, "invalid_token");
    program.post("/api/auth/logout", &json!({"refreshToken": challenge})).await;
    ann.refresh().await.expect(200);
    for other in [ann.cookie(), String::new(), "x".repeat(147), format!("{challenge}A"), "ü".repeat(73)] {
        app.visitor().second_step(&other, &phone.code(0)).await.refused(401, "invalid_challenge");
    }
    for code in ["", "12345", "x".repeat(10_000).as_str(), "\u{0}"] {
        app.visitor().second_step(&challenge, code).await.refused(401, "invalid_code");
    }
}

#[tokio::test]
async fn delivery_and_origin_are_those_of_a_login() {
    let app = TestApp::start().await;
    let (_, phone) = app.careful_customer("ann").await;
    let asked = app.program().log_in_for_body("ann").await.refused(403, "mfa_required");
    let challenge = asked.text("challenge");
    app.visitor().second_step(&challenge, &phone.code(0)).await.refused(403, "body_delivery_refused");
    let foreign =
        app.visitor().on_page(Some("https://evil.example")).second_step(&challenge, &phone.code(0)).await;
    foreign.refused(403, "origin_required");
    let reply = app.program().second_step(&challenge, &phone.code(0)).await.expect(200);
    assert!(!reply.text("refreshToken").is_empty() && reply.set_cookies().is_empty());
}

/// The usual limits.
const LIMITS: [(&str, &str); 3] = [
    ("THROTTLE_ACCOUNT_ADDRESS", "5/15m"),
    ("THROTTLE_SECOND_FACTOR", "20/7d"),
    ("THROTTLE_ADDRESS", "100/15m"),
];

#[tokio::test]
async fn codes_are_not_searched_and_passwords_are_counted_apart() {
    let app = TestApp::start_with(&LIMITS).await;
    let (_, phone) = app.careful_customer("ann").await;
    let (wrong, mut thief) = (phone.wrong_code(), app.visitor().at_address("198.51.100.66"));
    let challenge = thief.first_step("ann").await;
    for _ in 0..5 {
        thief.second_step(&challenge, &wrong).await.refused(401, "invalid_code");
    }
    let wait = thief.second_step(&challenge, &phone.code(0)).await.refused(429, "too_many_attempts");
    assert!(wait.header("retry-after").is_some());
    // A new challenge is no new chance.
    let again = thief.first_step("ann").await;
    thief.second_step(&again, &phone.code(0)).await.refused(429, "too_many_attempts");

    // From many addresses the account as a whole has a limit; where its owner has logged in before, they still do.
    for number in 0..15 {
        let mut elsewhere = thief.at_address(&format!("198.51.100.{number}"));
        elsewhere.second_step(&challenge, &wrong).await.refused(401, "invalid_code");
    }
    let mut elsewhere = thief.at_address("198.51.100.99");
    elsewhere.second_step(&challenge, &phone.code(0)).await.refused(429, "too_many_attempts");
    let mut owner = app.visitor();
    let challenge = owner.first_step("ann").await;
    owner.second_step(&challenge, &phone.code(0)).await.expect(200);
}

#[tokio::test]
async fn the_owner_is_told_once_that_somebody_has_the_password_and_tries_codes() {
    let mail = [("MAIL_SMTP_URL", "mailbox:"), ("THROTTLE_SECOND_FACTOR", "30/7d")];
    let app = TestApp::start().await;
    let (_, phone) = app.careful_customer("ann").await;
    app.sql().await.batch_execute("UPDATE users SET email_verified_at = now()").await.unwrap();
    let replicas = [app.replica(&mail).await, app.replica(&mail).await];
    let wrong = phone.wrong_code();
    let mut tried = 0;
    for number in 0..31 {
        let replica = &replicas[number % 2];
        replica.load_keys().await.unwrap();
        let mut thief = app.visitor().at(&replica.gateway).at_address(&format!("198.51.100.{number}"));
        let challenge = thief.first_step("ann").await;
        tried += usize::from(thief.second_step(&challenge, &wrong).await.status == 401);
        let told =
            "SELECT count(*), min(detail->>'address') FROM outbox WHERE kind = 'second_factor_failures'";
        let told = app.sql().await.query_one(told, &[]).await.unwrap();
        assert_eq!(told.get::<_, i64>(0), i64::from(number >= 5), "after {} codes", number + 1);
        assert_eq!(told.get::<_, Option<&str>>(1), (number >= 5).then_some("198.51.100.5"));
    }
    assert_eq!(tried, 30, "that is all for a week");
    let suspected = "SELECT count(*) FROM audit_events WHERE kind = 'second_factor_suspected'";
    assert_eq!(app.sql().await.query_one(suspected, &[]).await.unwrap().get::<_, i64>(0), 1);
    // The owner, where they have logged in before, notices nothing of it.
    let mut owner = app.visitor().at(&replicas[0].gateway);
    let challenge = owner.first_step("ann").await;
    owner.second_step(&challenge, &phone.code(0)).await.expect(200);
}

#[tokio::test]
async fn a_dead_challenge_forgives_no_wrong_code() {
    let app = TestApp::start_with(&LIMITS).await;
    let (_, phone) = app.careful_customer("ann").await;
    let dead = forged(&app, |challenge| challenge.epoch += 1).await;
    let mut thief = app.visitor().at_address("203.0.113.7");
    let (challenge, wrong) = (thief.first_step("ann").await, phone.wrong_code());
    for _ in 0..4 {
        thief.second_step(&challenge, &wrong).await.refused(401, "invalid_code");
        thief.second_step(&dead, &wrong).await.refused(401, "invalid_challenge");
    }
    thief.second_step(&challenge, &wrong).await.refused(401, "invalid_code");
    thief.second_step(&challenge, &phone.code(0)).await.refused(429, "too_many_attempts");
}

#[tokio::test]
async fn good_codes_and_dead_challenges_use_nothing_up() {
    let app = TestApp::start_with(&LIMITS).await;
    let (_, phone) = app.careful_customer("ann").await;
    let dead = forged(&app, |challenge| challenge.epoch += 1).await;
    let challenge = app.visitor().first_step("ann").await;
    for _ in 0..8 {
        app.visitor().second_step(&dead, &phone.code(0)).await.refused(401, "invalid_challenge");
        app.visitor().first_step("ann").await;
        app.forget_codes().await;
        app.visitor().second_step(&challenge, &phone.code(0)).await.expect(200);
    }
}

#[tokio::test]
async fn a_better_hash_of_the_password_is_stored_at_the_first_step() {
    let app = TestApp::start().await;
    let (_, phone) = app.careful_customer("ann").await;
    let replica = app.replica(&[("BCRYPT_COST", "5")]).await;
    replica.load_keys().await.unwrap();
    let mut tab = app.visitor().at(&replica.gateway);
    let challenge = tab.first_step("ann").await;
    let hash: String =
        app.sql().await.query_one("SELECT password_hash FROM users", &[]).await.unwrap().get(0);
    assert!(hash.starts_with("$2b$05$"), "{hash}");
    tab.second_step(&challenge, &phone.code(0)).await.expect(200);
}

#[tokio::test]
async fn replacing_jwt_secret_leaves_second_factors_working() {
    let app = TestApp::start_with(&LIMITS).await;
    let (_, phone) = app.careful_customer("ann").await;
    let from_before = app.visitor().first_step("ann").await;
    let replica = app.replica(&[("JWT_SECRET", OTHER_SECRET), ("JWT_SECRET_PREVIOUS", JWT_SECRET)]).await;
    replica.load_keys().await.unwrap();
    let mut tab = app.visitor().at(&replica.gateway);
    tab.second_step(&from_before, &phone.code(0)).await.expect(200);

    let moved =
        auth_service::db::second_factors::reencrypt(&app.app.database, &replica.app.factor_boxes).await;
    assert_eq!(moved.unwrap().moved, 1);
    let again =
        auth_service::db::second_factors::reencrypt(&app.app.database, &replica.app.factor_boxes).await;
    assert_eq!(again.unwrap().moved, 0);
    let challenge = tab.first_step("ann").await;
    tab.second_step(&challenge, &phone.code(1)).await.expect(200);
    // A process without the new secret cannot judge codes, says no more than that, and lets nobody in. That is not their failure.
    let lost = app.visitor().first_step("ann").await;
    for _ in 0..6 {
        app.visitor().second_step(&lost, &phone.code(1)).await.refused(500, "internal");
    }
    app.visitor().second_step(&lost, &phone.recovery_codes[0]).await.expect(200);
}

#[tokio::test]
async fn while_the_database_is_away_nobody_gets_in() {
    let database = migrated_database().await;
    let proxy = PostgresProxy::start(database.url()).await;
    let app = TestApp::start_on(database, proxy.url(), &[]).await;
    let (ann, phone) = app.careful_customer("ann").await;
    let mut tab = app.visitor();
    let challenge = tab.first_step("ann").await;
    proxy.go_away();
    let password = json!({"currentPassword": PASSWORD});
    for reply in [
        tab.second_step(&challenge, &phone.code(0)).await,
        ann.get("/api/auth/second-factor").await,
        ann.post("/api/auth/second-factor", &password).await,
        ann.post("/api/auth/second-factor/confirm", &json!({"code": phone.code(0)})).await,
        ann.post("/api/auth/second-factor/recovery-codes", &password).await,
    ] {
        let reply = reply.refused(503, "unavailable");
        assert!(reply.header("retry-after").is_some() && reply.set_cookies().is_empty());
    }
    proxy.come_back();
    tab.second_step(&challenge, &phone.code(0)).await.expect(200);
}

#[tokio::test]
async fn the_second_step_asks_the_database_twice() {
    let database = migrated_database().await;
    let proxy = PostgresProxy::start(database.url()).await;
    let app = TestApp::start_on(database, proxy.url(), &[("DATABASE_POOL", "1")]).await;
    let (ann, phone) = app.careful_customer("ann").await;
    let mut tab = app.visitor();
    let challenge = tab.first_step("ann").await;
    // Once to prepare, and once to count.
    tab.second_step(&challenge, &phone.code(0)).await.expect(200);
    tab.second_step(&challenge, &phone.wrong_code()).await.refused(401, "invalid_code");
    ann.get("/api/auth/second-factor").await.expect(200);
    let before = proxy.statements();
    tab.first_step("ann").await;
    assert_eq!(proxy.statements() - before, 2, "the first step");
    tab.second_step(&challenge, &phone.code(1)).await.expect(200);
    assert_eq!(proxy.statements() - before, 4, "the second step");
    ann.get("/api/auth/second-factor").await.expect(200);
    assert_eq!(proxy.statements() - before, 5, "the status");
}

/// What an app that somebody else enrolled shows is nothing to this account.
#[tokio::test]
async fn somebody_elses_code_is_wrong() {
    let app = TestApp::start().await;
    let ((_, ann), (_, bob)) = (app.careful_customer("ann").await, app.careful_customer("bob").await);
    let challenge = app.visitor().first_step("ann").await;
    let differ = |ann: &Authenticator, bob: &Authenticator| (-2..3).all(|step| ann.code(step) != bob.code(0));
    if differ(&ann, &bob) {
        app.visitor().second_step(&challenge, &bob.code(0)).await.refused(401, "invalid_code");
    }
    // Nor does a box that was put into another row open there.
    let swap = "UPDATE second_factors SET sealed = (SELECT sealed FROM second_factors AS other \
                WHERE other.user_id <> second_factors.user_id)";
    app.sql().await.batch_execute(swap).await.unwrap();
    app.visitor().second_step(&challenge, &bob.code(1)).await.refused(500, "internal");
}
