//! How these endpoints refuse: the words of RFC 6749, section 5.2, in place of a problem.

use axum::http::header::{HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use http_api::Failure;
use problem::{Problem, codes};
use serde::Serialize;
use utoipa::ToSchema;

use super::NOT_STORED;
use super::form::NotAForm;
use crate::app::NotPrepared;
use crate::clients::authenticate::NotTheClient;
use crate::clients::scopes::Exceeded;
use crate::error::Error;
use crate::throttle::Throttled;
use crate::tokens::access_token::NotIssued;

/// RFC 9110, section 11.6.1: how a client proves who it is.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"portcullis\", charset=\"UTF-8\"");

/// RFC 6749, section 5.2.
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthError)]
pub(super) struct ErrorAnswer<'a> {
    /// For programs.
    error: &'static str,
    /// For people.
    error_description: &'a str,
}

/// Why a client gets no answer to what it asked.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant says it in its message")]
pub enum OAuthError {
    #[error(transparent)]
    NotAForm(#[from] NotAForm),
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    #[error("a client proves who it is in one way at a time")]
    SeveralMethods,
    #[error("the Authorization header and client_id name different clients")]
    SeveralClients,
    #[error(transparent)]
    NotTheClient(#[from] NotTheClient),
    #[error("the only grant is client_credentials")]
    GrantType,
    #[error(transparent)]
    Scope(#[from] Exceeded),
    #[error("this needs a client with the scope {0}")]
    InsufficientScope(&'static str),
    #[error("tokens of clients are not revoked one by one; rotate the client's secret or delete it")]
    TokenType,
    #[error(transparent)]
    Throttled(Throttled),
    #[error("the service cannot answer right now")]
    Failed(#[source] Box<Error>),
}

impl OAuthError {
    /// The error as clients compare it.
    #[cfg(test)]
    pub(super) const fn code(&self) -> &'static str {
        self.status_and_codes().1
    }

    /// The status, the error as RFC 6749 has it (RFC 6750 for a scope, RFC 7009 for a type), and the code that it would have elsewhere.
    const fn status_and_codes(&self) -> (StatusCode, &'static str, &'static str) {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        match self {
            Self::NotAForm(NotAForm::TooLarge) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", codes::BODY_TOO_LARGE)
            }
            Self::NotAForm(NotAForm::TooSlow) => {
                (StatusCode::REQUEST_TIMEOUT, "invalid_request", codes::REQUEST_TIMEOUT)
            }
            Self::NotAForm(_) | Self::Missing(_) | Self::SeveralMethods | Self::SeveralClients => {
                (BAD, "invalid_request", codes::BAD_REQUEST)
            }
            Self::NotTheClient(_) => (StatusCode::UNAUTHORIZED, "invalid_client", codes::UNAUTHENTICATED),
            Self::GrantType => (BAD, "unsupported_grant_type", codes::BAD_REQUEST),
            Self::Scope(_) => (BAD, "invalid_scope", codes::BAD_REQUEST),
            Self::InsufficientScope(_) => (StatusCode::FORBIDDEN, "insufficient_scope", codes::FORBIDDEN),
            Self::TokenType => (BAD, "unsupported_token_type", codes::BAD_REQUEST),
            Self::Throttled(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", codes::TOO_MANY_ATTEMPTS)
            }
            Self::Failed(error) => match error.status_and_code() {
                (StatusCode::SERVICE_UNAVAILABLE, code) => {
                    (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", code)
                }
                (_, code) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", code),
            },
        }
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::NotTheClient(_) => Some((WWW_AUTHENTICATE, CHALLENGE)),
            Self::Throttled(throttled) => {
                let seconds = throttled.retry_after.as_secs().saturating_add(1);
                Some((RETRY_AFTER, HeaderValue::from(seconds)))
            }
            _ => None,
        }
    }
}

impl From<Error> for OAuthError {
    fn from(error: Error) -> Self {
        match error {
            Error::Throttled(throttled) => Self::Throttled(throttled),
            error => Self::Failed(Box::new(error)),
        }
    }
}

impl From<database::Error> for OAuthError {
    fn from(error: database::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<NotIssued> for OAuthError {
    fn from(error: NotIssued) -> Self {
        Error::from(error).into()
    }
}

impl From<NotPrepared> for OAuthError {
    fn from(error: NotPrepared) -> Self {
        Error::from(error).into()
    }
}

impl From<OAuthError> for Failure {
    fn from(error: OAuthError) -> Self {
        let (status, word, code) = error.status_and_codes();
        let description = error.to_string();
        let answer = ErrorAnswer { error: word, error_description: &description };
        // Two texts cannot fail to be JSON.
        let body = serde_json::to_vec(&answer).unwrap_or_default();
        let failure = match error {
            // With `Retry-After`, and logged with its cause.
            OAuthError::Failed(error) => Self::from(*error),
            error => {
                let problem = Problem::new(status, code, description);
                let header = error.header().into_iter();
                header.fold(problem, |problem, (name, value)| problem.with_header(name, value)).into()
            }
        };
        failure.answered_with(HeaderValue::from_static("application/json"), body)
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        (NOT_STORED, Failure::from(self)).into_response()
    }
}
