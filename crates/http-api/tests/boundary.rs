//! What a client sees of a service whatever its routes are.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::{Request, StatusCode};
use http_api::{HttpMetrics, Json};
use http_body_util::BodyExt as _;
use identity_axum::CurrentUser;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tower::ServiceExt as _;

fn service() -> (Router, Registry) {
    let mut registry = Registry::default();
    let metrics = HttpMetrics::register(&mut registry);
    let router = Router::new()
        .route("/echo", post(|Json(body): Json<Value>| async { Json(body) }))
        .route("/hang", get(|| tokio::time::sleep(Duration::from_secs(3_600))))
        .route("/whoami", get(|user: CurrentUser| async move { user.id.clone() }))
        .route("/panic", get(panics));
    (http_api::finish(router, metrics), registry)
}

#[expect(clippy::panic, reason = "it is what this handler is for")]
async fn panics() {
    panic!("on purpose")
}

async fn send(router: Router, request: Request<Body>) -> (StatusCode, http::HeaderMap, Value) {
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, serde_json::from_slice(&body).unwrap())
}

async fn check(
    request: http::request::Builder,
    body: impl Into<Body>,
    status: u16,
    code: &str,
) -> http::HeaderMap {
    let (found, headers, problem) = send(service().0, request.body(body.into()).unwrap()).await;
    assert_eq!((found.as_u16(), problem["code"].as_str()), (status, Some(code)));
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(problem["requestId"].as_str(), headers["x-request-id"].to_str().ok());
    headers
}

#[tokio::test]
async fn every_refusal_is_a_problem_with_the_request_id() {
    let json = || Request::post("/echo").header("content-type", "application/json; charset=utf-8");
    check(Request::get("/none"), "", 404, "not_found").await;
    let headers = check(Request::get("/echo"), "", 405, "method_not_allowed").await;
    assert_eq!(headers["allow"], "POST");
    check(Request::post("/echo"), "{}", 415, "unsupported_media_type").await;
    check(Request::post("/echo").header("content-type", "text/plain"), "{}", 415, "unsupported_media_type")
        .await;
    check(json().header("content-type", "application/json"), "{}", 415, "unsupported_media_type").await;
    check(json(), "{", 400, "malformed_json").await;
    check(json(), vec![b' '; 16 * 1024 + 1], 413, "body_too_large").await;
    check(Request::get("/panic"), "", 500, "internal").await;
    check(Request::get("/whoami"), "", 401, "identity_required").await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_is_answered_in_the_end() {
    let headers = check(Request::get("/hang"), "", 503, "unavailable").await;
    assert_eq!(headers["retry-after"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_the_clients_fault() {
    let request = Request::post("/echo").header("content-type", "application/json");
    let never = futures_util::stream::pending::<Result<Vec<u8>, Infallible>>();
    check(request, Body::from_stream(never), 408, "request_timeout").await;
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status() {
    let (router, registry) = service();
    let request = Request::post("/echo").header("content-type", "application/json");
    let (status, _, body) = send(router, request.body(Body::from("{\"a\":1}")).unwrap()).await;
    assert_eq!((status, body), (StatusCode::OK, serde_json::json!({"a": 1})));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains(r#"http_requests_total{method="POST",route="/echo",status="200"} 1"#), "{text}");
}
