//! How long sessions live: the durations that every decision about one takes.

use std::time::Duration;

use time::OffsetDateTime;

/// What a revocation outlives the tokens that it concerns by: replicas' clocks differ by seconds, and a token is signed a
/// moment after the statement that it rests on.
const REVOCATION_MARGIN: Duration = Duration::from_secs(10);

/// How long a session may be idle, how long it may live at all, how often it rotates, and what it leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// `JWT_REFRESH_TTL`: a session that did not rotate for this long is over.
    pub idle: Duration,
    /// `SESSION_MAX_TTL`: a session this old is over, however busy. It is fixed in the row at login.
    pub absolute: Duration,
    /// `REFRESH_GRACE`: a session rotates at most once in this time, and its previous token is good for this long.
    pub grace: Duration,
    /// How long an access token may live that is about (`JWT_ACCESS_TTL`, or what it was): it outlives the end of its session
    /// by up to this, unless that is announced.
    pub access: Duration,
}

impl SessionPolicy {
    /// When a refresh token that was last rotated at `rotated_at` stops working, unless it is used before.
    ///
    /// This is what the cookie's `Max-Age` is computed from.
    #[must_use]
    pub fn token_expires_at(&self, rotated_at: OffsetDateTime, absolute: OffsetDateTime) -> OffsetDateTime {
        absolute.min(rotated_at + self.idle)
    }

    /// How long a revocation is remembered: until the last token that it concerns is dead.
    #[must_use]
    pub fn revoked_for(&self) -> Duration {
        self.access + REVOCATION_MARGIN
    }
}
