//! How a request without the right identity is answered.

use axum::body::Body;
use axum::http::header::{HeaderValue, WWW_AUTHENTICATE};
use axum::http::{Extensions, StatusCode};
use axum::response::{IntoResponse, Response};
use problem::{Problem, codes};

use crate::extract::Caller;

/// A 401 or 403 as `application/problem+json`.
///
/// The response also carries the [`Problem`] as an extension, so that an outer layer that knows more about the
/// request (its id, when the gateway gave none) can render it again.
#[derive(Debug)]
pub struct Rejection {
    problem: Box<Problem>,
    request_id: String,
}

impl Rejection {
    fn new(problem: Problem, request_id: &str) -> Self {
        Self { problem: Box::new(problem), request_id: request_id.to_owned() }
    }

    /// The request did not come through the gateway. Nothing in it can be believed, not even its id.
    pub(crate) fn identity_required() -> Self {
        let detail = "This service answers only requests that come through the gateway.";
        Self::new(unauthorized(codes::IDENTITY_REQUIRED, detail), "")
    }

    /// The caller is anonymous where somebody is needed.
    pub(crate) fn unauthenticated(caller: &Caller) -> Self {
        let problem = unauthorized(codes::UNAUTHENTICATED, "This needs an access token.");
        Self::new(problem, &caller.request_id)
    }

    /// The caller's role does not suffice.
    pub(crate) fn forbidden(role: &str, caller: &Caller) -> Self {
        let detail = format!("This needs the role {role}.");
        let problem = Problem::new(StatusCode::FORBIDDEN, codes::FORBIDDEN, detail);
        Self::new(problem, &caller.request_id)
    }

    /// The caller is no user.
    pub(crate) fn no_user(caller: &Caller) -> Self {
        if caller.is_anonymous() {
            return Self::unauthenticated(caller);
        }
        let problem =
            Problem::new(StatusCode::FORBIDDEN, codes::FORBIDDEN, "This is for users, not for clients.");
        Self::new(problem, &caller.request_id)
    }

    /// The caller is no client.
    pub(crate) fn no_client(caller: &Caller) -> Self {
        if caller.is_anonymous() {
            return Self::unauthenticated(caller);
        }
        let problem =
            Problem::new(StatusCode::FORBIDDEN, codes::FORBIDDEN, "This is for clients, not for users.");
        Self::new(problem, &caller.request_id)
    }

    /// The verified caller of a request, if the `verify` layer has seen it.
    pub(crate) fn caller(extensions: &Extensions) -> Result<Caller, Self> {
        extensions.get::<Caller>().cloned().ok_or_else(Self::identity_required)
    }
}

fn unauthorized(code: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, detail)
        .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut response = self.problem.response(&self.request_id).map(Body::from);
        response.extensions_mut().insert(*self.problem);
        response
    }
}
