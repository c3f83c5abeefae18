//! The outermost layers of a service, put on by [`finish`].

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use identity_axum::CallerSlot;
use problem::{Problem, codes};
use tracing::{debug, error, warn};
use uuid::Uuid;

use crate::failure::{Failure, unavailable};
use crate::metrics::Route;
use crate::once_a_second::OnceASecond;
use crate::{HttpMetrics, MAX_BODY_BYTES};

/// No request takes longer; what is unfinished then is dropped and answered with 503.
pub const DEADLINE: Duration = Duration::from_secs(10);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Completes a router: 404 and 405 as problems, the body limit, the deadline, a caught panic, metrics, and one log line a request under the id that
/// the client also gets.
pub fn finish(router: Router, metrics: HttpMetrics) -> Router {
    router.layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).layer(from_fn_with_state(metrics, observe))
}

async fn observe(State(metrics): State<HttpMetrics>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let caller = CallerSlot::default();
    request.extensions_mut().insert(caller.clone());
    let method = request.method().clone();
    let matched = Route(request.extensions().get::<MatchedPath>().cloned());
    let route = matched.as_str();
    let response = run(request, next).await;
    let request_id = request_id(&caller);
    let response = render(response, &request_id, &method, route);
    let elapsed = started.elapsed();
    let (status, micros) =
        (response.status().as_u16(), u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
    debug!(%request_id, %method, route, status, micros, "request");
    metrics.record(&method, matched, response.status(), elapsed);
    response
}

async fn run(request: Request, next: Next) -> Response {
    let guarded = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(DEADLINE, guarded).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Failure::internal(Panicked).into_response(),
        Err(_) => Failure::from(unavailable()).into_response(),
    }
}

/// The gateway's id when the call came through it; one of our own otherwise.
fn request_id(caller: &CallerSlot) -> Cow<'_, str> {
    match caller.get() {
        Some(caller) => Cow::Borrowed(&caller.request_id),
        None => Cow::Owned(Uuid::now_v7().to_string()),
    }
}

fn render(mut response: Response, request_id: &str, method: &Method, route: &str) -> Response {
    if let Some(failure) = failure(&mut response) {
        log(&failure, request_id, method, route);
        let (mut parts, body) = failure.problem.response(request_id).map(Body::from).into_parts();
        let body = match failure.body.map(|body| *body) {
            Some((content_type, body)) => {
                parts.headers.insert(CONTENT_TYPE, content_type);
                body.into()
            }
            None => body,
        };
        // `Allow` of a 405 was put on by the router, not by the problem.
        for (name, value) in response.headers() {
            if !parts.headers.contains_key(name) && name != http::header::CONTENT_LENGTH {
                parts.headers.append(name, value.clone());
            }
        }
        response = Response::from_parts(parts, body);
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// What a handler returned, a rejection of `identity-axum`, or the router's own 404 and 405, which have no body. The router
/// makes those inside the layer that verifies the caller, so they too stand under the gateway's request id.
fn failure(response: &mut Response) -> Option<Failure> {
    let unrouted = unrouted(response);
    let extensions = response.extensions_mut();
    extensions.remove::<Failure>().or_else(|| extensions.remove::<Problem>().map(Failure::from)).or(unrouted)
}

fn unrouted(response: &Response) -> Option<Failure> {
    if response.headers().contains_key(CONTENT_TYPE) {
        return None;
    }
    let (code, detail) = match response.status() {
        StatusCode::NOT_FOUND => (codes::NOT_FOUND, "There is nothing at this path."),
        StatusCode::METHOD_NOT_ALLOWED => (
            codes::METHOD_NOT_ALLOWED,
            "This path does not answer that method; Allow names those that it does.",
        ),
        _ => return None,
    };
    Some(Problem::new(response.status(), code, detail).into())
}

fn log(failure: &Failure, request_id: &str, method: &Method, route: &str) {
    if !failure.status().is_server_error() {
        return;
    }
    let mut chain = Vec::new();
    let mut cause = failure.source.as_deref().map(|source| source as &dyn std::error::Error);
    while let Some(error) = cause {
        chain.push(error.to_string());
        cause = error.source();
    }
    let (status, cause) = (failure.status().as_u16(), chain.join(": "));
    if failure.status() == StatusCode::INTERNAL_SERVER_ERROR {
        error!(request_id, %method, route, status, cause, "request failed");
        return;
    }
    // A 503 says that something else is away, or that there is too much to do; a flood of them is not our fault each time, and metrics
    // count them all.
    match UNSERVED.pass() {
        Some(left_out) => warn!(request_id, %method, route, status, cause, left_out, "request not served"),
        None => debug!(request_id, %method, route, status, cause, "request not served"),
    }
}

/// For the process: a flood has no more right to the log for coming by two routes.
static UNSERVED: OnceASecond = OnceASecond::new();

#[derive(Debug)]
struct Panicked;

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the handler panicked; the panic's own message precedes this line")
    }
}

impl std::error::Error for Panicked {}
