//! Whatever is wrong is answered with a clear error, changes nothing, and is never a 500.

use axum::body::Body;
use axum::http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::support::{PASSWORD, Reply, TestApp};

const BODIES: [&str; 3] = ["/api/auth/register", "/api/auth/login", "/api/auth/bootstrap"];

async fn post(app: &TestApp, path: &str, content_type: Option<&str>, body: impl Into<Body>) -> Reply {
    let visitor = app.visitor();
    let mut request = visitor.request(Method::POST, path);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    visitor.forward(request.body(body.into()).unwrap()).await
}

async fn allowing_bootstrap() -> TestApp {
    TestApp::start_with(&[("ALLOW_BOOTSTRAP", "true")]).await
}

#[tokio::test]
async fn what_is_no_json_of_the_expected_form_is_said() {
    let app = allowing_bootstrap().await;
    let surrogate = r#"{"email":"\ud800","refreshToken":"\ud800"}"#;
    let deep = format!("{{\"email\":{}", "[".repeat(10_000));
    for path in BODIES.into_iter().chain(["/api/auth/refresh", "/api/auth/logout"]) {
        for body in ["{", "nonsense", "{\"email\":\"a\"} x", "\u{feff}{}", surrogate, &deep, "\0", "{'a':1}"]
        {
            let reply = post(&app, path, Some("application/json"), body.to_owned()).await;
            assert!(matches!(reply.status.as_u16(), 400 | 422), "{path} {body:.40}: {}", reply.status);
        }
        let no_text = post(&app, path, Some("application/json"), vec![b'"', 0xff, 0xfe, b'"']).await;
        assert!(matches!(no_text.status.as_u16(), 400 | 422), "{path}: {}", no_text.status);
    }
}

#[tokio::test]
async fn another_content_type_is_a_415() {
    let app = allowing_bootstrap().await;
    for path in BODIES.into_iter().chain(["/api/auth/refresh", "/api/auth/logout"]) {
        for content_type in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonp"),
            Some(""),
        ] {
            let reply = post(&app, path, content_type, "{}").await;
            reply.refused(415, "unsupported_media_type");
        }
    }
    let body = json!({"email": "ann@example.com", "password": PASSWORD}).to_string();
    post(&app, "/api/auth/register", Some("Application/JSON; charset=utf-8"), body).await.expect(201);
}

#[tokio::test]
async fn more_than_sixteen_kilobytes_are_a_413() {
    let app = allowing_bootstrap().await;
    for path in BODIES.into_iter().chain(["/api/auth/refresh", "/api/auth/logout"]) {
        let body = json!({"email": "a".repeat(20_000)}).to_string();
        post(&app, path, Some("application/json"), body).await.refused(413, "body_too_large");
    }
}

#[tokio::test]
async fn missing_and_mistyped_fields_are_named() {
    let app = allowing_bootstrap().await;
    let check = async |path: &str, body: serde_json::Value, expected: &str| {
        let reply =
            post(&app, path, Some("application/json"), body.to_string()).await.refused(422, "invalid_fields");
        assert_eq!(reply.field_errors(), [expected], "{path} {body}");
    };
    check("/api/auth/login", json!({"password": "x"}), "email: required").await;
    check("/api/auth/login", json!({"email": "ann@example.com"}), "password: required").await;
    check("/api/auth/login", json!({"email": 1, "password": "x"}), "email: invalid").await;
    check("/api/auth/login", json!({"email": null, "password": "x"}), "email: invalid").await;
    check("/api/auth/login", json!({"email": "ann@example.com", "password": ["x"]}), "password: invalid")
        .await;
    check(
        "/api/auth/login",
        json!({"email": "ann@example.com", "password": "x", "tokenDelivery": "post"}),
        "tokenDelivery: invalid",
    )
    .await;
    check("/api/auth/login", json!({"email": "no address", "password": "x"}), "email: forbidden_character")
        .await;
    check("/api/auth/bootstrap", json!({"email": "a@b.example", "password": "x"}), "token: required").await;
    check("/api/auth/refresh", json!({"refreshToken": 7}), "refreshToken: invalid").await;
    check("/api/auth/refresh", json!("token"), ": invalid").await;
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let app = TestApp::start().await;
    app.registered("ann").await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD, "remember": true, "n": 1e300});
    app.visitor().post("/api/auth/login", &body).await.expect(200);
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods() {
    let app = TestApp::start().await;
    let visitor = app.visitor();
    for path in [
        "/",
        "/api/auth",
        "/api/auth/login/",
        "/api/auth/loginx",
        "/api/auth/LOGIN",
        "/internal",
        "/.well-known",
    ] {
        visitor.get(path).await.refused(404, "not_found");
    }
    for (method, path, allow) in [
        (Method::GET, "/api/auth/login", "POST"),
        (Method::PUT, "/api/auth/refresh", "POST"),
        (Method::DELETE, "/api/auth/logout", "POST"),
        (Method::POST, "/api/auth/me", "GET,HEAD"),
        (Method::POST, "/.well-known/jwks.json", "GET,HEAD"),
    ] {
        let request = visitor.request(method, path).body(Body::empty()).unwrap();
        let reply = visitor.forward(request).await.refused(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some(allow), "{path}");
    }
}

/// Whatever is thrown at it, the service stands.
#[test]
fn no_input_is_ever_a_500() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let app = runtime.block_on(allowing_bootstrap());
    let texts = (".{0,40}", ".{0,90}", "(?s:.{0,30})|\\PC{0,30}");
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let stories = (texts, 0..5usize, prop::option::of("[ -~]{0,40}"));
    let outcome = runner.run(&stories, |((email, password, token), path, cookie)| {
        let path = BODIES.into_iter().chain(["/api/auth/refresh", "/api/auth/logout"]).nth(path).unwrap();
        let body = json!({"email": email, "password": password, "token": token, "refreshToken": token});
        let status = runtime.block_on(async {
            let mut visitor = app.visitor();
            if let Some(cookie) = &cookie {
                visitor.set_cookie(cookie);
            }
            visitor.post(path, &body).await.status
        });
        prop_assert!(!status.is_server_error(), "{path} {body}: {status}");
        Ok(())
    });
    runtime.block_on(async move { drop(app) });
    outcome.unwrap();
}
