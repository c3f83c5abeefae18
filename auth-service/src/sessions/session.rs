//! The words a session is described in.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use secret::Secret;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::end_reason::EndReason;
use crate::accounts::{AccountStatus, UserId};
use crate::mail::Notice;
use crate::second_factor::login::ShownFactor;
use crate::throttle::{Key, Refund};
use crate::tokens::refresh_token::{Nonce, NonceHash};

/// The longest user agent that is kept, in bytes.
const USER_AGENT_BYTES: usize = 256;

/// The id of a session (UUIDv7); the access token's `sid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

impl SessionId {
    /// A new id; ids made later sort later.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// How the client holds its refresh token: chosen at login, stored in the session and bound into the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// In an `HttpOnly` cookie, which script never sees.
    Cookie,
    /// In JSON bodies, for clients that are no browser.
    Body,
}

impl Delivery {
    /// The delivery as the database and JSON spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Body => "body",
        }
    }
}

/// A delivery that does not exist.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no delivery: cookie and body are")]
pub struct UnknownDelivery(String);

impl FromStr for Delivery {
    type Err = UnknownDelivery;

    fn from_str(text: &str) -> Result<Self, UnknownDelivery> {
        match text {
            "cookie" => Ok(Self::Cookie),
            "body" => Ok(Self::Body),
            other => Err(UnknownDelivery(other.to_owned())),
        }
    }
}

/// How the user proved who they are (RFC 8176), one word per proof.
pub type Amr = Vec<String>;

/// From where a request comes, as far as the gateway can tell: kept for the audit trail and the list of sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// Its `User-Agent`, shortened.
    pub user_agent: Option<String>,
    /// The request's id, which leads from the audit trail to the logs.
    pub request_id: Option<String>,
}

impl Device {
    /// Keeps what is worth keeping: the user agent is cut at 256 bytes and loses its control characters.
    #[must_use]
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        let user_agent = user_agent.map(shorten).filter(|kept| !kept.is_empty());
        Self { address, user_agent, request_id: None }
    }

    /// The same in a request of this id.
    #[must_use]
    pub fn in_request(self, id: &str) -> Self {
        Self { request_id: Some(id.to_owned()), ..self }
    }

    /// The address as it is stored.
    #[must_use]
    pub fn address_text(&self) -> Option<String> {
        self.address.map(|address| address.to_canonical().to_string())
    }
}

fn shorten(user_agent: &str) -> String {
    let printable: String = user_agent.chars().filter(|character| !character.is_control()).collect();
    printable[..printable.floor_char_boundary(USER_AGENT_BYTES)].trim().to_owned()
}

/// What a login is about to open.
///
/// `epoch` and `password_hash` are those that the verified account was loaded with: the session opens only if they still
/// stand, so a login that overlaps a password change, a disabling or a logout-all does not survive it.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session's id.
    pub id: SessionId,
    /// Whose session it is.
    pub user: UserId,
    /// The account's epoch, as loaded together with the hash.
    pub epoch: i32,
    /// The hash that the password was verified against.
    pub password_hash: Secret<String>,
    /// The random value that the session's tokens carry; the row keeps only its hash.
    pub nonce: Nonce,
    /// How the client holds its refresh token.
    pub delivery: Delivery,
    /// How the user proved who they are.
    pub amr: Amr,
    /// From where.
    pub device: Device,
    /// The same password under today's cost, when the verified hash was cheaper.
    pub rehashed: Option<Secret<String>>,
    /// As what the address is remembered to have logged this account in.
    pub remembered: Option<Key>,
    /// The attempts that did not fail after all.
    pub refund: Refund,
    /// What was shown of the account's second factor, if it has one.
    pub second_factor: Option<ShownFactor>,
    /// What the owner is told when the account has been logged in before, and never from this address.
    pub notice: Option<NewDevice>,
}

/// Somebody may have logged in from where the account never was.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// What its owner is told.
    pub notice: Notice,
    /// As what the address may have been remembered.
    pub known_as: Vec<Key>,
}

/// In which session somebody asks for something, by the gateway's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentSession {
    /// Whose it is.
    pub user: UserId,
    /// Its id.
    pub session: SessionId,
}

/// A live session, as an access token and an answer need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The generation of its current refresh token.
    pub generation: i64,
    /// The epoch its access tokens carry.
    pub epoch: i32,
    /// How the client holds its refresh token.
    pub delivery: Delivery,
    /// How the user proved who they are.
    pub amr: Amr,
    /// When they did: the access token's `auth_time`.
    pub created_at: OffsetDateTime,
    /// When its token last changed.
    pub rotated_at: OffsetDateTime,
    /// When it is over whatever happens.
    pub expires_at: OffsetDateTime,
}

/// What `decide` looks at: the session's row, and of its owner the status and epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The generation of the current refresh token; 0 from login until the first refresh.
    pub generation: i64,
    /// When that generation began.
    pub rotated_at: OffsetDateTime,
    /// SHA-256 of the nonce that all of the session's tokens carry.
    pub nonce_hash: NonceHash,
    /// How the client holds its refresh token.
    pub delivery: Delivery,
    /// The owner's epoch when the session was opened (or raised with them).
    pub epoch: i32,
    /// The absolute expiry.
    pub expires_at: OffsetDateTime,
    /// Why it was ended, if it was.
    pub ended: Option<EndReason>,
    /// The owner's epoch now.
    pub user_epoch: i32,
    /// The owner's status now.
    pub user_status: AccountStatus,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_delivery_is_read_back_as_itself() {
        for delivery in [Delivery::Cookie, Delivery::Body] {
            assert_eq!(delivery.as_str().parse(), Ok(delivery));
        }
        assert!("Cookie".parse::<Delivery>().is_err());
    }

    #[test]
    fn a_user_agent_is_kept_printable_and_short() {
        let kept = |text: &str| Device::new(None, Some(text)).user_agent;
        assert_eq!(kept("curl/8.0"), Some("curl/8.0".to_owned()));
        assert_eq!(kept("a\u{0}b\nc"), Some("abc".to_owned()));
        assert_eq!(kept(" \t "), None);
        assert_eq!(kept(&"é".repeat(200)), Some("é".repeat(128)));
    }
}
