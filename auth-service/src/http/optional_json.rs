//! A JSON body that may be left out.

use axum::extract::{FromRequest, Request};
use http_api::{Failure, Json};
use http_body::Body as _;
use serde::de::DeserializeOwned;

/// A body as [`Json`] reads it; none at all is the default.
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if request.body().is_end_stream() {
            return Ok(Self(T::default()));
        }
        Json::from_request(request, state).await.map(|Json(value)| Self(value))
    }
}
