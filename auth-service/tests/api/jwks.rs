//! The public keys.

use axum::body::Body;
use axum::http::Request;

use crate::support::{Reply, TestApp};

pub(crate) async fn jwks(app: &TestApp) -> Reply {
    app.gateway.send_unsigned(Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn anybody_may_have_the_public_keys() {
    let app = TestApp::start().await;
    let reply = jwks(&app).await.expect(200);
    assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let body = reply.json();
    let key = body["keys"][0].as_object().unwrap();
    assert_eq!(key["kty"], "EC");
    assert_eq!(key["crv"], "P-256");
    assert!(!key.contains_key("d"), "the private half stays here");
}

#[tokio::test]
async fn eddsa_signs_as_well() {
    let app = TestApp::start_with(&[("JWT_ALG", "EdDSA")]).await;
    let mut ann = app.registered("ann").await;
    let reply = ann.log_in("ann").await.expect(200);
    app.verify(&reply.text("accessToken")).await;
}
