//! `{id}` in a path. What is no id names nothing: 404, like an id that nobody has.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use uuid::Uuid;

use crate::accounts::UserId;
use crate::error::{Error, NotFound};
use crate::sessions::SessionId;

/// No session of the caller's.
pub const NO_SUCH_SESSION: NotFound = NotFound("session");
/// No account.
pub const NO_SUCH_ACCOUNT: NotFound = NotFound("account");

impl<S: Send + Sync> FromRequestParts<S> for SessionId {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        id(parts, state, NO_SUCH_SESSION).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for UserId {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        id(parts, state, NO_SUCH_ACCOUNT).await.map(Self)
    }
}

async fn id<S: Send + Sync>(parts: &mut Parts, state: &S, missing: NotFound) -> Result<Uuid, Error> {
    let Path(id) = Path::<Uuid>::from_request_parts(parts, state).await.map_err(|_no_id| missing)?;
    Ok(id)
}
