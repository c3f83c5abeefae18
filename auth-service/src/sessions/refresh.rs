//! What a refresh token is worth, decided from the session's row, the token and the time.
//!
//! One `rotated_at` decides every case. The current token, presented within the grace, is answered with itself; the
//! previous one, within the grace, with the current one: so two tabs, a burst of reloads, a retry, a lost response and a
//! proxy that repeats itself all stay logged in. Anything older is theft, and the session ends.
//!
//! The statement in `db::sessions::refresh` says the same in SQL, and a property test holds the two together. Edit both.

use std::time::Duration;

use time::OffsetDateTime;

use super::policy::SessionPolicy;
use super::session::{Session, SessionRow};
use crate::accounts::{AccountStatus, Role, UserId};
use crate::tokens::refresh_token::RefreshToken;

/// What to do about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The session goes on; `generation` is that of the token to answer with.
    Continue {
        /// How it goes on.
        step: Step,
        /// The generation to answer with.
        generation: i64,
    },
    /// The token is stolen, or somebody else's copy of it was used: the session ends here.
    End(Ending),
    /// Nothing changes and no token is given.
    Refuse(Refusal),
}

/// How a session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The current token, presented after the grace or for the first time after login: its successor is made.
    Rotated,
    /// A token newer than the row, because a failover lost commits: the row jumps to it and rotates.
    Adopted,
    /// The current token, presented within the grace: the same again.
    Repeated,
    /// The previous token, presented within the grace: answered with the current one.
    CaughtUp,
}

/// Why a token that verifies ends its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Ending {
    /// The previous token, presented after the grace.
    #[error("a refresh token was used again after it had been replaced; the session has been ended")]
    LatePrevious,
    /// A token older than the previous one.
    #[error("an old refresh token was used; the session has been ended")]
    StaleLineage,
}

/// Why a token is refused without changing anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Not a token of this session.
    #[error("the refresh token is not valid")]
    InvalidToken,
    /// Logged out, ended for theft, overtaken by the account's epoch, or purged.
    #[error("the session has ended")]
    SessionEnded,
    /// Idle for too long, or too old.
    #[error("the session has expired")]
    SessionExpired,
    /// The account has been disabled.
    #[error("the account is disabled")]
    AccountDisabled,
}

/// A session that goes on: what the answer and its access token are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continued {
    /// How it goes on.
    pub step: Step,
    /// Whose it is.
    pub user: UserId,
    /// Their e-mail address now.
    pub email: String,
    /// Their role now.
    pub role: Role,
    /// The session; its `generation` is that of the token to answer with.
    pub session: Session,
}

/// Decides what a token is worth at `now`.
#[must_use]
pub fn decide(
    row: &SessionRow,
    token: &RefreshToken,
    policy: &SessionPolicy,
    now: OffsetDateTime,
) -> Decision {
    match refusal(row, token, policy, now) {
        Some(refusal) => Decision::Refuse(refusal),
        None => judge_generation(row, token.generation, policy.grace, now),
    }
}

/// The reasons that hold whatever the token's generation is, the first of them first.
fn refusal(
    row: &SessionRow,
    token: &RefreshToken,
    policy: &SessionPolicy,
    now: OffsetDateTime,
) -> Option<Refusal> {
    if token.nonce.hash() != row.nonce_hash || token.delivery != row.delivery {
        Some(Refusal::InvalidToken)
    } else if row.ended_at.is_some() {
        Some(Refusal::SessionEnded)
    } else if now >= row.expires_at || now >= row.rotated_at + policy.idle {
        Some(Refusal::SessionExpired)
    } else if row.user_status == AccountStatus::Disabled {
        Some(Refusal::AccountDisabled)
    } else if row.epoch < row.user_epoch {
        Some(Refusal::SessionEnded)
    } else {
        None
    }
}

fn judge_generation(row: &SessionRow, presented: i64, grace: Duration, now: OffsetDateTime) -> Decision {
    let current = row.generation;
    let in_grace = now < row.rotated_at + grace;
    // The first refresh after login always rotates: until then, nothing shows that its answer arrived.
    let fresh_from_login = current == 0;
    if presented > current {
        Decision::Continue { step: Step::Adopted, generation: presented + 1 }
    } else if presented == current && in_grace && !fresh_from_login {
        Decision::Continue { step: Step::Repeated, generation: current }
    } else if presented == current {
        Decision::Continue { step: Step::Rotated, generation: current + 1 }
    } else if presented == current - 1 && in_grace {
        Decision::Continue { step: Step::CaughtUp, generation: current }
    } else if presented == current - 1 {
        Decision::End(Ending::LatePrevious)
    } else {
        Decision::End(Ending::StaleLineage)
    }
}
