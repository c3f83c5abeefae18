//! Another password.

use test_support::eventually;

use crate::support::{PASSWORD, Reply, TestApp};

const NEW: &str = "a lamp in the fog, at last";

#[tokio::test]
async fn ann_changes_her_password_and_every_other_session_ends() {
    let app = TestApp::start().await;
    let mut ann = app.registered("ann").await;
    let before = ann.log_in("ann").await.expect(200).text("accessToken");
    let mut other = app.visitor();
    let elsewhere = other.log_in("ann").await.expect(200).text("accessToken");

    assert!(ann.change_password(PASSWORD, NEW).await.expect(204).body.is_empty());
    for token in [before, elsewhere] {
        assert!(!app.is_accepted(&app.verify(&token).await).await, "of before the change");
    }
    other.refresh().await.refused(401, "session_ended");
    // She goes on, with a token of the new epoch.
    let claims = app.verify(&ann.refresh().await.expect(200).text("accessToken")).await;
    assert!(app.is_accepted(&claims).await);
    assert_eq!((claims.epoch, claims.sid.unwrap()), (1, ann.identity.session));
    assert_eq!(app.ends(&ann.identity.user).await, [None, Some("password_changed".to_owned())]);
    let audited = app.audited("password_changed").await;
    assert_eq!((&audited["user_id"], &audited["detail"]["sessions"]), (&ann.identity.user.into(), &1.into()));
    assert!(audited["request_id"].is_string() && !audited.to_string().contains("lamp"));
}

#[tokio::test]
async fn from_then_on_the_new_one_counts() {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    ann.change_password(PASSWORD, NEW).await.expect(204);
    app.visitor().log_in("ann").await.refused(401, "invalid_credentials");
    app.visitor().log_in_with("ann", NEW).await.expect(200);
    ann.change_password(PASSWORD, NEW).await.refused(403, "wrong_password");
    ann.change_password(NEW, PASSWORD).await.expect(204);
}

#[tokio::test]
async fn without_the_current_one_nothing_changes() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    for wrong in ["", "kettle-8-fog-lamp", &format!("{PASSWORD}{}", "x".repeat(72))] {
        ann.change_password(wrong, NEW).await.refused(403, "wrong_password");
    }
    let audited = app.audited("password_change_refused").await;
    assert_eq!(audited["session_id"], ann.identity.session);
    ann.refresh().await.expect(200);
    app.visitor().log_in("ann").await.expect(200);
}

#[tokio::test]
async fn the_new_one_keeps_the_rules() {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    let long = "x1".repeat(40);
    for (new, code) in [
        ("short", "too_short"),
        (long.as_str(), "too_long"),
        ("with a \0 in it", "forbidden_character"),
        ("passwordpassword", "common"),
        ("ann@example.com", "similar_to_email"),
    ] {
        let reply = ann.change_password(PASSWORD, new).await.refused(422, "invalid_fields");
        assert_eq!(reply.field_errors(), [format!("newPassword: {code}")]);
    }
    let reply = ann.post("/api/auth/password", &serde_json::json!({"newPassword": NEW})).await;
    assert_eq!(reply.refused(422, "invalid_fields").field_errors(), ["currentPassword: required"]);
}

#[tokio::test]
async fn a_session_that_is_over_changes_nothing() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    ann.log_out().await.expect(204);
    ann.change_password(PASSWORD, NEW).await.refused(401, "session_ended");
    app.visitor().change_password(PASSWORD, NEW).await.refused(401, "unauthenticated");
    app.visitor().log_in("ann").await.expect(200);
}

/// A login that makes the hash anew, or another change, while a change waits for the account.
async fn changes_while_the_hash_becomes(of: &str) -> (TestApp, Reply) {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    let sql = app.sql().await;
    sql.batch_execute("BEGIN; SELECT FROM users WHERE email = 'ann@example.com' FOR UPDATE").await.unwrap();
    let change = tokio::spawn(async move { ann.change_password(PASSWORD, NEW).await });
    let watch = app.sql().await;
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("the change waits", async || {
        (watch.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) > 0).then_some(())
    })
    .await;
    let hash = bcrypt::hash(of, 5).unwrap();
    sql.execute("UPDATE users SET password_hash = $1 WHERE email = 'ann@example.com'", &[&hash])
        .await
        .unwrap();
    sql.batch_execute("COMMIT").await.unwrap();
    (app, change.await.unwrap())
}

#[tokio::test]
async fn a_login_beside_it_that_makes_the_hash_anew_does_not_refuse_it() {
    let (app, changed) = changes_while_the_hash_becomes(PASSWORD).await;
    changed.expect(204);
    app.visitor().log_in_with("ann", NEW).await.expect(200);
    app.visitor().log_in("ann").await.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn another_password_beside_it_does() {
    let (app, changed) = changes_while_the_hash_becomes("another one, set meanwhile").await;
    changed.refused(403, "wrong_password");
    app.visitor().log_in_with("ann", NEW).await.refused(401, "invalid_credentials");
}
