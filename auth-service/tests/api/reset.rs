//! What a reset does beside another password, for those who were kept out of their own account.

use std::time::Duration;

use auth_service::accounts::Email;
use auth_service::db::mail_tokens;
use auth_service::mail::MailToken;
use serde_json::json;
use test_support::eventually;

use crate::support::{Actor, Authenticator, Reply, TestApp, email_of};

const NEW: &str = "candle-3-rain-door";

/// Somebody whom an operator has given a link for the account.
async fn reset(app: &TestApp, owner: &Actor, name: &str) -> Reply {
    let token = MailToken::generate().unwrap();
    let email = Email::parse(&email_of(name)).unwrap();
    let lifetime = Duration::from_secs(60);
    assert!(mail_tokens::make_for_operator(&app.app.database, &email, token.hash(), lifetime).await.unwrap());
    owner.post("/api/auth/reset", &json!({"token": token.expose(), "newPassword": NEW})).await
}

#[tokio::test]
async fn whoever_registered_somebody_elses_address_keeps_nothing_of_it() {
    let app = TestApp::start().await;
    let (mut squatter, _) = app.careful_customer("ann").await;
    let codes = "SELECT count(*) FROM recovery_codes";
    let mut owner = app.visitor().at_address("198.51.100.7");
    assert!(reset(&app, &owner, "ann").await.expect(204).body.is_empty());
    owner.log_in_with("ann", NEW).await.expect(200);
    assert_eq!(app.sql().await.query_one(codes, &[]).await.unwrap().get::<_, i64>(0), 0);
    squatter.log_in("ann").await.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn what_is_confirmed_while_the_reset_is_under_way_keeps_nobody_out() {
    let app = TestApp::start().await;
    let squatter = app.customer("ann").await;
    let (holding, watching) = (app.sql().await, app.sql().await);
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let decided = format!("SELECT ({waiting}) = 2 OR EXISTS (SELECT FROM recovery_codes)");
    // The reset has looked for second factors by the time that it comes to the addresses.
    holding.batch_execute("BEGIN; LOCK TABLE login_addresses IN SHARE MODE").await.unwrap();
    let mut owner = app.visitor().at_address("198.51.100.7");
    let confirming = async {
        eventually("the reset waits", async || {
            (watching.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 1).then_some(())
        })
        .await;
        let phone = Authenticator::enrol(&squatter).await;
        let code = json!({"code": phone.code(0)});
        let release = async {
            eventually("the code has counted, or waits too", async || {
                watching.query_one(&decided, &[]).await.unwrap().get::<_, bool>(0).then_some(())
            })
            .await;
            holding.batch_execute("ROLLBACK").await.unwrap();
        };
        tokio::join!(squatter.post("/api/auth/second-factor/confirm", &code), release).0
    };
    let (reset, confirmed) = tokio::join!(reset(&app, &owner, "ann"), confirming);
    reset.expect(204);
    confirmed.refused(401, "session_ended");
    owner.log_in_with("ann", NEW).await.expect(200);
}

#[tokio::test]
async fn a_verified_account_keeps_its_second_factor() {
    let app = TestApp::start().await;
    let (_, phone) = app.careful_customer("ann").await;
    app.sql().await.batch_execute("UPDATE users SET email_verified_at = now()").await.unwrap();
    let mut owner = app.visitor();
    reset(&app, &owner, "ann").await.expect(204);
    let asked = owner.log_in_with("ann", NEW).await.refused(403, "mfa_required");
    owner.second_step(&asked.text("challenge"), &phone.code(0)).await.expect(200);
}

#[tokio::test]
async fn strangers_who_fail_do_not_keep_out_who_has_the_mail() {
    let app = TestApp::start_with(&[("THROTTLE_ACCOUNT", "3/1h")]).await;
    app.registered("ann").await;
    for stranger in 1..=3 {
        let mut stranger = app.visitor().at_address(&format!("198.51.100.{stranger}"));
        stranger.log_in_with("ann", "another-6-wrong-one").await.refused(401, "invalid_credentials");
    }
    let mut owner = app.visitor().at_address("203.0.113.9");
    owner.log_in("ann").await.refused(429, "too_many_attempts");
    reset(&app, &owner, "ann").await.expect(204);
    owner.log_in_with("ann", NEW).await.expect(200);
}
