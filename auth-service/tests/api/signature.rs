//! Nothing but the gateway may call the API.

use axum::body::Body;
use axum::http::{Method, Request};
use time::OffsetDateTime;

use crate::support::{Identity, TestApp, sign};

const ENDPOINTS: [(Method, &str); 6] = [
    (Method::POST, "/api/auth/register"),
    (Method::POST, "/api/auth/login"),
    (Method::POST, "/api/auth/refresh"),
    (Method::POST, "/api/auth/logout"),
    (Method::GET, "/api/auth/me"),
    (Method::POST, "/api/auth/bootstrap"),
];

fn request(method: &Method, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_call_past_the_gateway_is_refused_everywhere() {
    let app = TestApp::start().await;
    for (method, path) in &ENDPOINTS {
        let reply = app.gateway.send_unsigned(request(method, path)).await;
        reply.refused(401, "identity_required");
    }
}

#[tokio::test]
async fn a_forged_identity_is_refused() {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    let mut forged = request(&Method::GET, "/api/auth/me");
    for (name, value) in [("x-user-id", &ann.identity.user), ("x-session-id", &ann.identity.session)] {
        forged.headers_mut().insert(name, value.parse().unwrap());
    }
    app.gateway.send_unsigned(forged).await.refused(401, "identity_required");
}

#[tokio::test]
async fn a_signature_for_another_service_or_another_time_is_refused() {
    let app = TestApp::start().await;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    for (key_id, created) in [("orders", now), ("auth", now - 60), ("auth", now + 60)] {
        let mut request = request(&Method::GET, "/api/auth/me");
        sign(&mut request, &Identity::default(), "203.0.113.7", key_id, created);
        app.gateway.send_unsigned(request).await.refused(401, "identity_required");
    }
}

#[tokio::test]
async fn what_was_signed_for_one_path_is_no_good_on_another() {
    let app = TestApp::start().await;
    let mut signed = request(&Method::POST, "/api/auth/logout");
    sign(
        &mut signed,
        &Identity::default(),
        "203.0.113.7",
        "auth",
        OffsetDateTime::now_utc().unix_timestamp(),
    );
    *signed.uri_mut() = "/api/auth/refresh".parse().unwrap();
    app.gateway.send_unsigned(signed).await.refused(401, "identity_required");
}

#[tokio::test]
async fn the_clients_address_is_the_gateways_word() {
    let app = TestApp::start().await;
    let mut ann = app.registered("ann").await;
    ann.address = "2001:db8::7".to_owned();
    ann.log_in("ann").await.expect(200);
    let row = app.sql().await.query_one("SELECT address, user_agent FROM sessions", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "2001:db8::7");
    assert_eq!(row.get::<_, String>(1), "story/1.0");
}
