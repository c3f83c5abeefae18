//! An error on its way out of a handler: what the client may know, and what the log should.

use std::error::Error;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use problem::{Problem, codes};

/// A [`Problem`] with its cause. Returned by handlers; [`crate::finish`] turns it into the body, with the
/// request id, and logs the whole chain of a 5xx once.
#[derive(Debug, Clone)]
pub struct Failure {
    pub(crate) problem: Problem,
    pub(crate) source: Option<Arc<dyn Error + Send + Sync>>,
    /// Content type and body in place of the problem's.
    pub(crate) body: Option<Box<(HeaderValue, Bytes)>>,
}

impl Failure {
    /// 500: our fault. The client learns nothing but the request id.
    pub fn internal(source: impl Error + Send + Sync + 'static) -> Self {
        let problem = Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            codes::INTERNAL,
            "Something went wrong on our side.",
        );
        Self::because(problem, source)
    }

    /// 503: something that is needed is away. Worth another try in a second.
    pub fn unavailable(source: impl Error + Send + Sync + 'static) -> Self {
        Self::because(unavailable(), source)
    }

    /// A problem of the caller's making, whose cause belongs into the log.
    pub fn because(problem: Problem, source: impl Error + Send + Sync + 'static) -> Self {
        Self { problem, source: Some(Arc::new(source)), body: None }
    }

    /// The same, logged alike and with the same headers, but answered with this body: for protocols that have their own words
    /// for errors.
    #[must_use]
    pub fn answered_with(self, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        Self { body: Some(Box::new((content_type, body.into()))), ..self }
    }

    /// The status that the client will see.
    pub const fn status(&self) -> StatusCode {
        self.problem.status
    }
}

pub(crate) fn unavailable() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, codes::UNAVAILABLE, "The service cannot answer right now.")
        .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem, source: None, body: None }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.problem.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
