//! Where am I logged in?

use serde_json::Value;
use uuid::Uuid;

use crate::support::TestApp;

fn ids(body: &Value) -> Vec<String> {
    let items = body["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn ann_sees_where_she_is_logged_in() {
    let app = TestApp::start().await;
    let at_home = app.customer("ann").await;
    app.customer("bob").await;
    let mut at_work = app.visitor();
    at_work.address = "198.51.100.4".to_owned();
    at_work.log_in("ann").await.expect(200);

    let reply = at_home.get("/api/auth/sessions").await.expect(200);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let body = reply.json();
    assert_eq!(ids(&body), [at_work.identity.session.clone(), at_home.identity.session.clone()]);
    assert_eq!(body["nextCursor"], Value::Null);
    let (work, home) = (&body["items"][0], &body["items"][1]);
    assert_eq!((&work["current"], &home["current"]), (&Value::Bool(false), &Value::Bool(true)));
    assert_eq!((&work["address"], &work["userAgent"]), (&"198.51.100.4".into(), &"story/1.0".into()));
    for time in ["createdAt", "lastUsedAt", "expiresAt"] {
        assert!(work[time].as_str().unwrap().ends_with('Z'), "{work}");
    }
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    for _login in 0..4 {
        ann.log_in("ann").await.expect(200);
    }
    let all = ids(&ann.get("/api/auth/sessions").await.expect(200).json());
    assert_eq!(all.len(), 5);
    let (mut paged, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let body = ann.get(&format!("/api/auth/sessions{query}")).await.expect(200).json();
        paged.extend(ids(&body));
        let Some(cursor) = body["nextCursor"].as_str() else { break };
        query = format!("?limit=2&cursor={cursor}");
    }
    assert_eq!(paged, all);
    for wrong in ["?limit=0", "?limit=101", "?limit=x", "?cursor=x", "?limit=1&limit=2"] {
        ann.get(&format!("/api/auth/sessions{wrong}")).await.refused(400, "invalid_query");
    }
}

#[tokio::test]
async fn what_is_over_is_not_listed() {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    for over in ["rotated_at = now() - interval '7 days'", "expires_at = now()", "epoch = epoch - 1"] {
        let mut other = app.visitor();
        other.log_in("ann").await.expect(200);
        let sql = app.sql().await;
        if over.starts_with("epoch") {
            sql.batch_execute("UPDATE users SET epoch = 1; UPDATE sessions SET epoch = 1").await.unwrap();
        }
        let change = format!("UPDATE sessions SET {over} WHERE id = $1::text::uuid");
        sql.execute(&change, &[&other.identity.session]).await.unwrap();
        let listed = ids(&ann.get("/api/auth/sessions").await.expect(200).json());
        assert_eq!(listed, std::slice::from_ref(&ann.identity.session), "{over}");
        other.get("/api/auth/sessions").await.refused(401, "session_ended");
    }
}

#[tokio::test]
async fn ann_ends_a_session_from_another() {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    let mut lost = app.visitor();
    let token = lost.log_in("ann").await.expect(200).text("accessToken");
    let claims = app.verify(&token).await;
    assert!(app.is_accepted(&claims).await);

    let path = format!("/api/auth/sessions/{}", lost.identity.session);
    assert!(ann.delete(&path).await.expect(204).body.is_empty());
    assert!(!app.is_accepted(&claims).await);
    lost.refresh().await.refused(401, "session_ended");
    assert_eq!(app.ends(&ann.identity.user).await, [None, Some("ended_by_user".to_owned())]);
    let audited = app.audited("session_ended").await;
    assert_eq!(audited["session_id"], lost.identity.session);
    assert_eq!(audited["detail"]["fromSession"], ann.identity.session);
    assert_eq!(
        (&audited["user_id"], &audited["address"]),
        (&ann.identity.user.into(), &"203.0.113.7".into())
    );
}

#[tokio::test]
async fn ending_it_twice_is_ending_it() {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    let mut other = app.visitor();
    other.log_in("ann").await.expect(200);
    let path = format!("/api/auth/sessions/{}", other.identity.session);
    ann.delete(&path).await.expect(204);
    ann.delete(&path).await.expect(204);
    let rows = app.sql().await.query("SELECT FROM revocations", &[]).await.unwrap();
    assert_eq!(rows.len(), 1, "it is announced once");
}

#[tokio::test]
async fn somebody_elses_session_is_none() {
    let app = TestApp::start().await;
    let (ann, mut bob) = (app.customer("ann").await, app.customer("bob").await);
    let theirs = bob.identity.session.clone();
    for id in [theirs.as_str(), &Uuid::now_v7().to_string(), "x"] {
        ann.delete(&format!("/api/auth/sessions/{id}")).await.refused(404, "not_found");
    }
    bob.refresh().await.expect(200);
    app.visitor().delete(&format!("/api/auth/sessions/{theirs}")).await.refused(401, "unauthenticated");
    app.visitor().get("/api/auth/sessions").await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_session_that_is_over_ends_no_other() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    let mut other = app.visitor();
    other.log_in("ann").await.expect(200);
    ann.log_out().await.expect(204);
    ann.delete(&format!("/api/auth/sessions/{}", other.identity.session)).await.refused(401, "session_ended");
    other.refresh().await.expect(200);
}
