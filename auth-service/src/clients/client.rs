//! A client as it is registered.

use std::fmt;
use std::str::FromStr;

use access_token::{FIRST_PARTY_CLIENT, MAX_CLIENT_ID_BYTES, is_client_id};
use time::OffsetDateTime;

use super::scopes::Scopes;
use super::secret::SecretHash;

/// A client's name: what its tokens are about, and what routes and services know it by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientId(String);

impl ClientId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// No client can have that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a client id is 1 to {MAX_CLIENT_ID_BYTES} of a-z, 0-9, _ and -, begins with a letter, is not `{FIRST_PARTY_CLIENT}` and no UUID"
)]
pub struct InvalidClientId;

impl FromStr for ClientId {
    type Err = InvalidClientId;

    fn from_str(text: &str) -> Result<Self, InvalidClientId> {
        is_client_id(text).then(|| Self(text.to_owned())).ok_or(InvalidClientId)
    }
}

/// A client that exists, as it is asked for when somebody says to be it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its name.
    pub id: ClientId,
    /// The hash of its secret.
    pub secret: SecretHash,
    /// The secret before that, and until when it is good.
    pub previous: Option<(SecretHash, OffsetDateTime)>,
    /// What it may ask for.
    pub scopes: Scopes,
    /// What its tokens carry; those that carry a smaller one are refused.
    pub epoch: i32,
}
