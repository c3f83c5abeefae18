//! What an administrator does to accounts.

use futures_util::future::join;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Actor, TestApp};

fn path(user: &Actor) -> String {
    format!("/api/admin/users/{}", user.identity.user)
}

#[tokio::test]
async fn a_promotion_holds_from_the_next_login() {
    let app = TestApp::start().await;
    let (root, mut ann) = (app.admin("root").await, app.customer("ann").await);
    let body = root.patch(&path(&ann), &json!({"role": "ADMIN"})).await.expect(200).json();
    assert_eq!((&body["user"]["role"], &body["user"]["status"]), (&"ADMIN".into(), &"active".into()));
    assert_eq!(body["user"]["id"], ann.identity.user);
    ann.refresh().await.refused(401, "session_ended");
    assert_eq!(app.ends(&ann.identity.user).await, [Some("role_changed".to_owned())]);
    ann.log_in("ann").await.expect(200);
    assert_eq!(ann.identity.role, "ADMIN");
    let audited = app.audited("account_changed").await;
    assert_eq!(
        (&audited["user_id"], &audited["actor_id"]),
        (&ann.identity.user.into(), &root.identity.user.into())
    );
    assert_eq!(audited["detail"]["role"], json!({"from": "USER", "to": "ADMIN"}));
    assert_eq!(audited["detail"]["reason"], "role_changed");
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once_until_enabled() {
    let app = TestApp::start().await;
    let (root, mut ann) = (app.admin("root").await, app.registered("ann").await);
    let claims = app.verify(&ann.log_in("ann").await.expect(200).text("accessToken")).await;
    root.patch(&path(&ann), &json!({"status": "disabled"})).await.expect(200);
    assert!(!app.is_accepted(&claims).await);
    ann.refresh().await.refused(403, "account_disabled");
    app.visitor().log_in("ann").await.refused(403, "account_disabled");
    assert_eq!(app.ends(&ann.identity.user).await, [Some("account_disabled".to_owned())]);

    root.patch(&path(&ann), &json!({"status": "active"})).await.expect(200);
    // What was ended stays so.
    ann.refresh().await.refused(401, "session_ended");
    ann.log_in("ann").await.expect(200);
    ann.refresh().await.expect(200);
    assert!(app.audited("account_changed").await["detail"]["reason"].is_null());
}

#[tokio::test]
async fn what_changes_nothing_ends_nothing() {
    let app = TestApp::start().await;
    let (root, mut ann) = (app.admin("root").await, app.customer("ann").await);
    for same in [json!({}), json!({"role": "USER"}), json!({"role": "USER", "status": "active"})] {
        root.patch(&path(&ann), &same).await.expect(200);
    }
    ann.refresh().await.expect(200);
    let rows = app.sql().await.query("SELECT FROM revocations", &[]).await.unwrap();
    assert!(rows.is_empty());
}

#[tokio::test]
async fn a_body_that_says_anything_else_changes_nothing() {
    let app = TestApp::start().await;
    let (root, ann) = (app.admin("root").await, app.customer("ann").await);
    for wrong in [
        json!({"roles": "ADMIN"}),
        json!({"role": "ADMIN", "email": "x@example.com"}),
        json!({"role": "admin"}),
        json!({"status": "gone"}),
        json!([]),
    ] {
        root.patch(&path(&ann), &wrong).await.refused(422, "invalid_fields");
    }
    for nobody in [Uuid::now_v7().to_string(), "x".to_owned()] {
        root.patch(&format!("/api/admin/users/{nobody}"), &json!({"role": "USER"}))
            .await
            .refused(404, "not_found");
        root.delete(&format!("/api/admin/users/{nobody}/sessions")).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn only_an_administrator_may() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.customer("ann").await, app.customer("bob").await);
    ann.patch(&path(&bob), &json!({"role": "ADMIN"})).await.refused(403, "forbidden");
    ann.delete(&format!("{}/sessions", path(&bob))).await.refused(403, "forbidden");
    app.visitor().patch(&path(&bob), &json!({})).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn an_administrator_no_longer_does_nothing_with_an_old_token() {
    let app = TestApp::start().await;
    let (root, eve, ann) = (app.admin("root").await, app.admin("eve").await, app.customer("ann").await);
    root.patch(&path(&eve), &json!({"role": "USER"})).await.expect(200);
    // A gateway that has not heard of it yet still says ADMIN.
    eve.patch(&path(&ann), &json!({"role": "ADMIN"})).await.refused(401, "session_ended");
    eve.delete(&format!("{}/sessions", path(&root))).await.refused(401, "session_ended");
}

#[tokio::test]
async fn all_sessions_of_an_account_are_ended() {
    let app = TestApp::start().await;
    let (root, mut ann) = (app.admin("root").await, app.registered("ann").await);
    let claims = app.verify(&ann.log_in("ann").await.expect(200).text("accessToken")).await;
    let mut other = app.visitor();
    other.log_in("ann").await.expect(200);
    root.delete(&format!("{}/sessions", path(&ann))).await.expect(204);
    assert!(!app.is_accepted(&claims).await);
    ann.refresh().await.refused(401, "session_ended");
    other.refresh().await.refused(401, "session_ended");
    assert_eq!(app.ends(&ann.identity.user).await, vec![Some("ended_by_admin".to_owned()); 2]);
    let audited = app.audited("sessions_ended").await;
    assert_eq!(
        (&audited["actor_id"], &audited["detail"]["sessions"]),
        (&root.identity.user.into(), &2.into())
    );
    ann.log_in("ann").await.expect(200);
}

#[tokio::test]
async fn the_last_administrator_stays_one() {
    let app = TestApp::start().await;
    let (root, eve) = (app.admin("root").await, app.admin("eve").await);
    root.patch(&path(&eve), &json!({"status": "disabled"})).await.expect(200);
    for change in [json!({"role": "USER"}), json!({"status": "disabled"})] {
        root.patch(&path(&root), &change).await.refused(409, "last_admin");
    }
    root.patch(&path(&eve), &json!({"status": "active"})).await.expect(200);
    root.patch(&path(&root), &json!({"role": "USER"})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_administrators_cannot_remove_each_other() {
    let app = TestApp::start().await;
    let replica = app.replica(&[]).await;
    for round in 0..10 {
        let (root, eve) = (app.admin(&format!("root{round}")).await, app.admin(&format!("eve{round}")).await);
        app.sql()
            .await
            .execute(
                "UPDATE users SET role = 'USER' WHERE id NOT IN ($1::text::uuid, $2::text::uuid)",
                &[&root.identity.user, &eve.identity.user],
            )
            .await
            .unwrap();
        let (demote, disable) = (json!({"role": "USER"}), json!({"status": "disabled"}));
        let eve = eve.at(&replica.gateway);
        // Each removes the other; or both leave.
        let (one, other) = if round % 2 == 0 {
            join(root.patch(&path(&eve), &demote), eve.patch(&path(&root), &disable)).await
        } else {
            join(root.patch(&path(&root), &disable), eve.patch(&path(&eve), &demote)).await
        };
        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        // The one who came second was removed already, or is the last.
        assert!(statuses == [200, 401] || statuses == [200, 409], "{statuses:?}");
        let left = "SELECT count(*) FROM users WHERE role = 'ADMIN' AND status = 'active'";
        assert_eq!(app.sql().await.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 1);
    }
}
