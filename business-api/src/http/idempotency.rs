//! The `Idempotency-Key` header.

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;

use crate::error::Error;
use crate::orders::IdempotencyKey;
use crate::orders::idempotency_key::InvalidKey;

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key, if one was sent; two are 400, like one of the wrong form.
pub struct Idempotency(pub Option<IdempotencyKey>);

impl<S: Sync> FromRequestParts<S> for Idempotency {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Error> {
        let mut values = parts.headers.get_all(&IDEMPOTENCY_KEY).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(Self(None)),
            (Some(value), None) => Ok(Self(Some(IdempotencyKey::parse(value.as_bytes())?))),
            (Some(_), Some(_)) => Err(InvalidKey.into()),
        }
    }
}
