//! What went wrong with a request, and how the client is told: the one place where rules meet status codes.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http_api::Failure;
use problem::{FieldError, Problem, codes};

use crate::orders::idempotency_key::{InvalidKey, KeyReused};
use crate::orders::place::InvalidField;
use crate::orders::status::IllegalTransition;

/// Everything that a handler can refuse or fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such order, or somebody else's.
    #[error("there is no such order")]
    NotFound,
    /// The fields of a new order break a rule each.
    #[error("some fields are wrong")]
    InvalidFields(Vec<InvalidField>),
    /// The state of the order does not allow that.
    #[error(transparent)]
    IllegalTransition(#[from] IllegalTransition),
    /// Somebody else changed the order between our reading and our writing.
    #[error("the order was changed meanwhile")]
    ChangedMeanwhile,
    /// The `Idempotency-Key` has the wrong form.
    #[error(transparent)]
    InvalidKey(#[from] InvalidKey),
    /// The `Idempotency-Key` belongs to another order.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] database::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let detail = format!("{error}.");
        let (status, code) = match error {
            Error::NotFound => (StatusCode::NOT_FOUND, codes::NOT_FOUND),
            Error::InvalidFields(fields) => return invalid_fields(detail, &fields).into(),
            Error::IllegalTransition(_) | Error::ChangedMeanwhile => {
                (StatusCode::CONFLICT, codes::ILLEGAL_TRANSITION)
            }
            Error::InvalidKey(_) => (StatusCode::BAD_REQUEST, codes::INVALID_IDEMPOTENCY_KEY),
            Error::KeyReused(_) => (StatusCode::UNPROCESSABLE_ENTITY, codes::IDEMPOTENCY_KEY_REUSED),
            Error::Database(error @ database::Error::Unavailable(_)) => return Self::unavailable(error),
            Error::Database(error @ database::Error::Statement(_)) => return Self::internal(error),
        };
        Problem::new(status, code, sentence(&detail)).into()
    }
}

fn invalid_fields(detail: String, fields: &[InvalidField]) -> Problem {
    let errors = fields.iter().map(|invalid| FieldError {
        field: invalid.field.clone(),
        code: "invalid",
        message: invalid.rule.to_string(),
    });
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_FIELDS, sentence(&detail))
        .with_errors(errors.collect())
}

/// Errors begin in lower case, details for people do not.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Failure::from(self).into_response()
    }
}
