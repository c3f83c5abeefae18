//! Wishes for mail, and the outbox that they end in; what a server does with it is told by the system tests.

use std::time::{Duration, Instant};

use auth_service::db::outbox::{self, Claimant, Outcome};
use auth_service::http::steady::STEADY;
use serde_json::json;

use crate::support::{Actor, PASSWORD, TestApp, email_of};

const MAIL: (&str, &str) = ("MAIL_SMTP_URL", "mailbox:");
const MINUTE: Duration = Duration::from_secs(60);

async fn register(visitor: &Actor, name: &str) {
    let account = json!({"email": email_of(name), "password": PASSWORD});
    assert!(visitor.post("/api/auth/register", &account).await.expect(202).body.is_empty());
}

async fn forget(visitor: &Actor, name: &str) {
    let begun = Instant::now();
    let reply = visitor.post("/api/auth/forgot", &json!({"email": email_of(name)})).await;
    assert!(reply.expect(202).body.is_empty());
    assert!(begun.elapsed() >= STEADY, "an answer that comes sooner tells something");
}

/// How many mails of each kind there are.
async fn mails(app: &TestApp, kind: &str) -> i64 {
    let count = "SELECT count(*) FROM outbox WHERE kind = $1";
    app.sql().await.query_one(count, &[&kind]).await.unwrap().get(0)
}

#[tokio::test]
async fn known_and_unknown_addresses_are_answered_alike_and_only_mail_tells() {
    let app = TestApp::start_with(&[MAIL]).await;
    let visitor = app.visitor();
    register(&visitor, "ann").await;
    register(&visitor, "ann").await;
    assert_eq!((mails(&app, "verify_email").await, mails(&app, "account_exists").await), (1, 1));
    assert!(app.audited("registration_repeated").await["user_id"].is_string());

    forget(&visitor, "ann").await;
    assert!(app.audited("password_reset_requested").await["user_id"].is_string());
    forget(&visitor, "bob").await;
    assert!(app.audited("password_reset_requested").await["user_id"].is_null());
    assert_eq!(mails(&app, "reset_password").await, 1);
    app.visitor().log_in("ann").await.expect(200);
}

#[tokio::test]
async fn wishes_for_mail_are_limited_whether_there_is_an_account_or_not() {
    let app = TestApp::start_with(&[MAIL, ("THROTTLE_MAIL", "2/1h")]).await;
    let visitor = app.visitor();
    register(&visitor, "ann").await;
    forget(&visitor, "ann").await;
    forget(&visitor, "bob").await;
    forget(&visitor, "bob").await;
    for name in ["ann", "bob"] {
        let wish = json!({"email": email_of(name)});
        visitor.post("/api/auth/forgot", &wish).await.refused(429, "too_many_attempts");
        let account = json!({"email": email_of(name), "password": PASSWORD});
        visitor.post("/api/auth/register", &account).await.refused(429, "too_many_attempts");
    }
}

#[tokio::test]
async fn foreign_pages_and_made_up_tokens_are_refused() {
    let app = TestApp::start_with(&[MAIL]).await;
    let token = "A".repeat(43);
    for (path, body) in [
        ("/api/auth/forgot", json!({"email": "ann@example.com"})),
        ("/api/auth/reset", json!({"token": token, "newPassword": PASSWORD})),
        ("/api/auth/verify-email", json!({"token": token, "password": PASSWORD})),
    ] {
        let foreign = app.visitor().on_page(Some("https://evil.example"));
        foreign.post(path, &body).await.refused(403, "origin_required");
    }
    for wrong in [token.as_str(), "", "\u{0}", "' OR true --"] {
        let visitor = app.visitor();
        let verify = json!({"token": wrong, "password": PASSWORD});
        visitor.post("/api/auth/verify-email", &verify).await.refused(403, "invalid_mail_token");
        let reset = json!({"token": wrong, "newPassword": PASSWORD});
        visitor.post("/api/auth/reset", &reset).await.refused(403, "invalid_mail_token");
    }
}

#[tokio::test]
async fn a_mail_is_one_claimants_until_its_lease_is_over() {
    let app = TestApp::start_with(&[MAIL]).await;
    register(&app.visitor(), "ann").await;
    let (db, one, other) = (&app.app.database, Claimant::new(), Claimant::new());
    let claimed = outbox::claim(db, one, MINUTE, 8).await.unwrap();
    assert!(claimed.len() == 1 && claimed[0].is_wanted && claimed[0].attempts == 1, "{claimed:?}");
    assert!(outbox::claim(db, other, MINUTE, 8).await.unwrap().is_empty());

    app.sql().await.batch_execute("UPDATE outbox SET due_at = now()").await.unwrap();
    let taken_over = outbox::claim(db, other, MINUTE, 8).await.unwrap();
    assert_eq!((taken_over.len(), taken_over[0].attempts), (1, 2));
    // The first one comes too late with what it knows.
    let mail = taken_over[0].mail.id;
    outbox::defer(db, one, mail, Duration::ZERO).await.unwrap();
    outbox::settle(db, one, mail, (Outcome::Refused, "550"), false).await.unwrap();
    assert!(outbox::claim(db, one, MINUTE, 8).await.unwrap().is_empty());
    outbox::settle(db, other, mail, (Outcome::Sent, ""), false).await.unwrap();
    let row = app.sql().await.query_one("SELECT outcome, sealed IS NULL FROM outbox", &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), ("sent", true));
}

#[tokio::test]
async fn of_parallel_claims_each_mail_is_one_claimants() {
    let app = TestApp::start_with(&[MAIL, ("THROTTLE_REGISTRATION", "off")]).await;
    for number in 0..12 {
        register(&app.visitor(), &format!("person{number}")).await;
    }
    let claim = || outbox::claim(&app.app.database, Claimant::new(), MINUTE, 4);
    let (one, two, three, four) = tokio::join!(claim(), claim(), claim(), claim());
    let claimed = [one, two, three, four].map(|claimed| claimed.unwrap());
    let mut ids: Vec<_> = claimed.iter().flatten().map(|claimed| claimed.mail.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), claimed.iter().map(Vec::len).sum::<usize>());
}

#[tokio::test]
async fn a_kind_of_a_newer_replica_is_left_to_it() {
    let app = TestApp::start_with(&[MAIL]).await;
    let sql = app.sql().await;
    sql.batch_execute("ALTER TABLE outbox DROP CONSTRAINT outbox_kind_check").await.unwrap();
    for name in ["ann", "bob"] {
        register(&app.visitor(), name).await;
    }
    let newer = "UPDATE outbox SET kind = 'newsletter' WHERE recipient LIKE 'bob%'";
    assert_eq!(sql.execute(newer, &[]).await.unwrap(), 1);
    let claimed = outbox::claim(&app.app.database, Claimant::new(), MINUTE, 8).await.unwrap();
    assert!(claimed.len() == 1 && claimed[0].mail.recipient == email_of("ann"), "{claimed:?}");
    let left = "SELECT count(*) FROM outbox WHERE kind = 'newsletter' AND claim IS NULL";
    assert_eq!(sql.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_mail_whose_token_is_dead_is_not_worth_sending() {
    let deaths = [
        "UPDATE mail_tokens SET expires_at = now()",
        "UPDATE users SET epoch = epoch + 1",
        "UPDATE users SET status = 'disabled'",
        "UPDATE users SET email = 'annie@example.com'",
        "DELETE FROM mail_tokens",
    ];
    for death in deaths {
        let app = TestApp::start_with(&[MAIL]).await;
        register(&app.visitor(), "ann").await;
        app.sql().await.batch_execute(death).await.unwrap();
        let claimed = outbox::claim(&app.app.database, Claimant::new(), MINUTE, 8).await.unwrap();
        assert!(claimed.len() == 1 && !claimed[0].is_wanted, "{death}: {claimed:?}");
    }
}

#[tokio::test]
async fn the_database_alone_yields_no_token() {
    let app = TestApp::start_with(&[MAIL]).await;
    register(&app.visitor(), "ann").await;
    let row = app.sql().await.query_one("SELECT token_hash, sealed FROM outbox", &[]).await.unwrap();
    let (hash, sealed): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
    // A nonce, a token of 43 characters that nobody can read, a tag.
    assert_eq!((hash.len(), sealed.len()), (32, 12 + 43 + 16));
    let is_text = sealed[12..55].iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
    assert!(!is_text, "{sealed:?}");
}

#[tokio::test]
async fn nobody_is_written_to_who_has_not_proved_that_they_read_it_and_nobody_without_end() {
    let app = TestApp::start_with(&[MAIL]).await;
    register(&app.visitor(), "ann").await;
    let mut ann = app.visitor();
    ann.log_in("ann").await.expect(200);
    let passwords: Vec<_> = (0..13).map(|number| format!("kettle-{number}-fog-lamp-x")).collect();
    ann.change_password(PASSWORD, &passwords[0]).await.expect(204);
    let mut elsewhere = app.visitor().at_address("198.51.100.7");
    elsewhere.log_in_with("ann", &passwords[0]).await.expect(200);
    for kind in ["password_changed", "new_device"] {
        assert_eq!(mails(&app, kind).await, 0, "{kind}: an address that anybody may have registered");
    }

    app.sql().await.batch_execute("UPDATE users SET email_verified_at = now()").await.unwrap();
    for pair in passwords.windows(2) {
        ann.change_password(&pair[0], &pair[1]).await.expect(204);
    }
    assert_eq!(mails(&app, "password_changed").await, 10, "who was told ten times a day knows");
    let mut elsewhere = app.visitor().at_address("198.51.100.8");
    elsewhere.log_in_with("ann", &passwords[12]).await.expect(200);
    assert_eq!(mails(&app, "new_device").await, 1, "each kind is counted by itself");
}
