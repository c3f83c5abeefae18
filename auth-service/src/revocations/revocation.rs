//! One entry of the feed.

use time::OffsetDateTime;

use crate::accounts::UserId;
use crate::sessions::SessionId;

/// What is revoked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One session.
    Session(SessionId),
    /// What a user was issued before an epoch.
    User(UserId),
    /// What a client was issued before an epoch.
    Client(Box<str>),
    /// All that a signing key has signed.
    Key(Box<str>),
}

/// That something is revoked, until nothing of it is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// What.
    pub subject: Subject,
    /// Of a user or a client: the first epoch that is good. Nobody asks it of the others.
    pub least_epoch: i32,
    /// When the last token that it concerns is dead.
    pub expires_at: OffsetDateTime,
}
