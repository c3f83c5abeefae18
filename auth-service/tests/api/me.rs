//! Who am I?

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::support::TestApp;

#[tokio::test]
async fn ann_sees_herself_and_her_session() {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    let reply = ann.get("/api/auth/me").await.expect(200);
    let body = reply.json();
    assert_eq!(body["user"]["id"], ann.identity.user);
    assert_eq!(body["user"]["email"], "ann@example.com");
    assert_eq!(body["session"]["id"], ann.identity.session);
    let created = OffsetDateTime::parse(body["session"]["createdAt"].as_str().unwrap(), &Rfc3339).unwrap();
    let expires = OffsetDateTime::parse(body["session"]["expiresAt"].as_str().unwrap(), &Rfc3339).unwrap();
    assert_eq!((expires - created).whole_days(), 30);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn nobody_is_nobody() {
    let app = TestApp::start().await;
    let reply = app.visitor().get("/api/auth/me").await.refused(401, "unauthenticated");
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
}

#[tokio::test]
async fn a_client_of_its_own_is_no_user() {
    let app = TestApp::start().await;
    let mut client = app.program();
    client.identity.user = "client:billing".to_owned();
    client.identity.role = "SERVICE".to_owned();
    client.get("/api/auth/me").await.refused(403, "forbidden");
}

#[tokio::test]
async fn somebody_elses_session_is_not_shown() {
    let app = TestApp::start().await;
    let (mut ann, bob) = (app.customer("ann").await, app.customer("bob").await);
    ann.identity.session = bob.identity.session;
    ann.get("/api/auth/me").await.refused(401, "session_ended");
    ann.identity.session = Uuid::now_v7().to_string();
    ann.get("/api/auth/me").await.refused(401, "session_ended");
}
