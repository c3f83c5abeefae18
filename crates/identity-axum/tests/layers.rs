//! A small service behind the layers, called as the gateway would and as it would not.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode, header::WWW_AUTHENTICATE};
use axum::routing::get;
use http_body_util::BodyExt as _;
use identity::{Message, RootKey, Signer, UpstreamKey, Verifier, names};
use identity_axum::{Caller, CallerSlot, CurrentClient, CurrentUser, require_role, verify};
use secret::Secret;
use serde_json::Value;
use tower::ServiceExt as _;

fn key(upstream: &str) -> UpstreamKey {
    RootKey::new(Secret::new((0..32).map(|byte| byte * 5 + 1).collect())).upstream(upstream)
}

fn service() -> Router {
    let inner = Router::new()
        .route("/me", get(async |user: CurrentUser| user.id.clone()))
        .route(
            "/anyone",
            get(async |user: Option<CurrentUser>| user.map_or("nobody".to_owned(), |user| user.id.clone())),
        )
        .route(
            "/from",
            get(async |caller: Caller| format!("{:?} {}", caller.client_address, caller.request_id)),
        )
        .route("/service", get(async |client: CurrentClient| client.id.clone()))
        .route("/SERVICE", get(async || "welcome").layer(require_role("SERVICE")))
        .route("/admin", get(async || "welcome").layer(require_role("ADMIN")));
    Router::new().nest("/api", inner).layer(verify(Verifier::new("reports", vec![key("reports")])))
}

struct Who {
    id: &'static str,
    role: &'static str,
}

const NOBODY: Who = Who { id: "", role: "" };
const ANN: Who = Who { id: "ann", role: "USER" };
const ROOT: Who = Who { id: "root", role: "ADMIN" };
const BILLING: Who = Who { id: "client:billing", role: "SERVICE" };

/// What the gateway sends for `who`.
fn signed(path: &str, who: &Who, key: &UpstreamKey) -> Request<Body> {
    let session = if who.id.is_empty() || who.role == "SERVICE" { "" } else { "s1" };
    let message = Message {
        method: "GET",
        path,
        query: None,
        request_id: b"r-1",
        forwarded_for: b"203.0.113.9",
        forwarded_proto: b"https",
        forwarded_host: b"shop.example",
        user_id: who.id.as_bytes(),
        user_email: b"",
        user_role: who.role.as_bytes(),
        session_id: session.as_bytes(),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let signature = Signer::new("reports", key).sign(&message, i64::try_from(now).unwrap());
    Request::get(path)
        .header(&names::REQUEST_ID, "r-1")
        .header(&names::FORWARDED_FOR, "203.0.113.9")
        .header(&names::FORWARDED_PROTO, "https")
        .header(&names::FORWARDED_HOST, "shop.example")
        .header(&names::USER_ID, who.id)
        .header(&names::USER_EMAIL, "")
        .header(&names::USER_ROLE, who.role)
        .header(&names::SESSION_ID, session)
        .header(&names::SIGNATURE_INPUT, signature.input)
        .header(&names::SIGNATURE, signature.signature)
        .body(Body::empty())
        .unwrap()
}

async fn send(request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let response: Response<Body> = service().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn check(request: Request<Body>, status: u16, text: &str) {
    let what = request.uri().to_string();
    let (got, _, body) = send(request).await;
    assert_eq!((got.as_u16(), body.as_str()), (status, text), "{what}");
}

async fn check_problem(request: Request<Body>, status: u16, code: &str) -> Value {
    let (got, headers, body) = send(request).await;
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((got.as_u16(), problem["code"].as_str().unwrap()), (status, code));
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers.get(WWW_AUTHENTICATE).is_some_and(|value| value == "Bearer"), status == 401);
    problem
}

#[tokio::test]
async fn the_gateways_word_is_taken() {
    let key = key("reports");
    check(signed("/api/me", &ANN, &key), 200, "ann").await;
    check(signed("/api/anyone", &ANN, &key), 200, "ann").await;
    check(signed("/api/anyone", &NOBODY, &key), 200, "nobody").await;
    check(signed("/api/from", &NOBODY, &key), 200, "Some(203.0.113.9) r-1").await;
    check(signed("/api/admin", &ROOT, &key), 200, "welcome").await;
}

#[tokio::test]
async fn an_anonymous_caller_is_asked_for_a_token() {
    for path in ["/api/me", "/api/admin"] {
        let problem = check_problem(signed(path, &NOBODY, &key("reports")), 401, "unauthenticated").await;
        assert_eq!(problem["requestId"], "r-1");
    }
}

#[tokio::test]
async fn the_role_that_is_missing_is_named() {
    let problem = check_problem(signed("/api/admin", &ANN, &key("reports")), 403, "forbidden").await;
    assert!(problem["detail"].as_str().unwrap().contains("ADMIN"));
    assert_eq!(problem["requestId"], "r-1");
}

#[tokio::test]
async fn a_client_is_no_user_and_a_user_no_client() {
    let key = key("reports");
    check(signed("/api/service", &BILLING, &key), 200, "billing").await;
    for path in ["/api/me", "/api/anyone", "/api/admin", "/api/SERVICE"] {
        check_problem(signed(path, &BILLING, &key), 403, "forbidden").await;
    }
    check_problem(signed("/api/service", &ROOT, &key), 403, "forbidden").await;
    check_problem(signed("/api/service", &NOBODY, &key), 401, "unauthenticated").await;
    // What only looks like one, or only like the other.
    for who in [
        Who { id: "client:billing", role: "USER" },
        Who { id: "client:billing", role: "ADMIN" },
        Who { id: "billing", role: "SERVICE" },
        Who { id: "client:", role: "SERVICE" },
    ] {
        check_problem(signed("/api/service", &who, &key), 401, "identity_required").await;
    }
}

#[tokio::test]
async fn nobody_elses_word_is_taken() {
    let mut forged = signed("/api/admin", &ANN, &key("reports"));
    forged.headers_mut().insert(&names::USER_ROLE, "ADMIN".parse().unwrap());
    check_problem(forged, 401, "identity_required").await;

    check_problem(signed("/api/me", &ANN, &key("auth")), 401, "identity_required").await;

    let mut folded = signed("/api/me", &NOBODY, &key("reports"));
    folded.headers_mut().insert("x_user_id", "root".parse().unwrap());
    check_problem(folded, 401, "identity_required").await;

    for path in ["/api/me", "/api/anyone", "/api/from", "/api/admin", "/nowhere"] {
        let bare = Request::get(path).header("x-user-id", "root").header("x-user-role", "ADMIN");
        check_problem(bare.body(Body::empty()).unwrap(), 401, "identity_required").await;
    }
}

#[tokio::test]
async fn without_the_layer_nobody_is_believed() {
    let bare = Router::new()
        .route("/me", get(async |user: CurrentUser| user.id.clone()))
        .route("/admin", get(async || "welcome").layer(require_role("ADMIN")));
    for path in ["/me", "/admin"] {
        let response = bare.clone().oneshot(signed(path, &ROOT, &key("reports"))).await.unwrap();
        assert_eq!(response.status(), 401, "{path}");
    }
}

/// Whoever logs the requests needs the id of those, too, that panic or run out of time.
#[tokio::test]
async fn a_layer_outside_learns_the_caller_of_a_request_that_is_never_answered() {
    let verifier = Verifier::new("reports", vec![key("reports")]);
    let service = Router::new().route("/hang", get(std::future::pending::<String>)).layer(verify(verifier));
    let slot = CallerSlot::default();
    let mut request = signed("/hang", &ANN, &key("reports"));
    request.extensions_mut().insert(slot.clone());
    tokio::select! {
        biased;
        _ = service.oneshot(request) => panic!("it never answers"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(slot.get().unwrap().request_id, "r-1");
}
