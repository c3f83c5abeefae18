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
    /// Ended for whatever reason, overtaken by the account's epoch, or purged.
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
    } else if row.user_status == AccountStatus::Disabled {
        // Before the end that it brought about, since a login will not help.
        Some(Refusal::AccountDisabled)
    } else if row.ended.is_some() {
        Some(Refusal::SessionEnded)
    } else if now >= row.expires_at || now >= row.rotated_at + policy.idle {
        Some(Refusal::SessionExpired)
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

#[cfg(test)]
mod tests {
    use time::Duration as Span;

    use super::*;
    use crate::sessions::{Delivery, EndReason, SessionId};
    use crate::tokens::refresh_token::Nonce;

    const LOGIN: OffsetDateTime = time::macros::datetime!(2026-11-24 12:00 UTC);
    const POLICY: SessionPolicy = SessionPolicy {
        idle: Duration::from_secs(7 * 86_400),
        absolute: Duration::from_secs(30 * 86_400),
        grace: Duration::from_secs(10),
        access: Duration::from_secs(900),
    };

    fn token(generation: i64) -> RefreshToken {
        let (id, nonce) = (SessionId(uuid::Uuid::nil()), Nonce::from_bytes([7; Nonce::BYTES]));
        RefreshToken::first(id, Delivery::Cookie, nonce).at_generation(generation)
    }

    /// A session that came to `generation` at noon.
    fn row(generation: i64) -> SessionRow {
        SessionRow {
            generation,
            rotated_at: LOGIN,
            nonce_hash: token(0).nonce.hash(),
            delivery: Delivery::Cookie,
            epoch: 3,
            expires_at: LOGIN + POLICY.absolute,
            ended: None,
            user_epoch: 3,
            user_status: AccountStatus::Active,
        }
    }

    fn at(row: &SessionRow, presented: i64, seconds: f64) -> Decision {
        decide(row, &token(presented), &POLICY, LOGIN + Span::seconds_f64(seconds))
    }

    fn continued(step: Step, generation: i64) -> Decision {
        Decision::Continue { step, generation }
    }

    #[test]
    fn the_first_refresh_after_login_always_rotates() {
        assert_eq!(at(&row(0), 0, 0.0), continued(Step::Rotated, 1));
        assert_eq!(at(&row(0), 0, 5.0), continued(Step::Rotated, 1));
        assert_eq!(at(&row(0), 0, 60.0), continued(Step::Rotated, 1));
    }

    #[test]
    fn the_current_token_is_answered_with_itself_until_the_grace_is_over() {
        assert_eq!(at(&row(5), 5, 0.0), continued(Step::Repeated, 5));
        assert_eq!(at(&row(5), 5, 9.999), continued(Step::Repeated, 5));
        assert_eq!(at(&row(5), 5, 10.0), continued(Step::Rotated, 6));
    }

    #[test]
    fn the_previous_token_is_answered_with_the_current_one_until_the_grace_is_over() {
        assert_eq!(at(&row(5), 4, 9.999), continued(Step::CaughtUp, 5));
        assert_eq!(at(&row(5), 4, 10.0), Decision::End(Ending::LatePrevious));
    }

    #[test]
    fn an_older_token_ends_the_session_at_any_time() {
        assert_eq!(at(&row(5), 3, 0.0), Decision::End(Ending::StaleLineage));
        assert_eq!(at(&row(5), 0, 60.0), Decision::End(Ending::StaleLineage));
    }

    #[test]
    fn a_token_ahead_of_its_row_is_adopted() {
        assert_eq!(at(&row(5), 8, 0.0), continued(Step::Adopted, 9));
        assert_eq!(at(&row(0), 1, 60.0), continued(Step::Adopted, 2));
    }

    #[test]
    fn without_a_grace_every_refresh_rotates_and_the_previous_token_is_theft() {
        let policy = SessionPolicy { grace: Duration::ZERO, ..POLICY };
        let at_once = |presented| decide(&row(5), &token(presented), &policy, LOGIN);
        assert_eq!(at_once(5), continued(Step::Rotated, 6));
        assert_eq!(at_once(4), Decision::End(Ending::LatePrevious));
    }

    #[test]
    fn what_refuses_a_token_comes_before_its_generation() {
        let check = |change: fn(&mut SessionRow), seconds: f64, expected| {
            let mut row = row(5);
            change(&mut row);
            assert_eq!(at(&row, 0, seconds), Decision::Refuse(expected));
        };
        let week = 7.0 * 86_400.0;
        check(|row| row.nonce_hash = Nonce::from_bytes([8; 16]).hash(), 0.0, Refusal::InvalidToken);
        check(|row| row.delivery = Delivery::Body, 0.0, Refusal::InvalidToken);
        check(|row| row.ended = Some(EndReason::Logout), week, Refusal::SessionEnded);
        check(|_| {}, week, Refusal::SessionExpired);
        check(|row| row.expires_at = LOGIN + Span::SECOND, 1.0, Refusal::SessionExpired);
        check(|row| row.user_status = AccountStatus::Disabled, 0.0, Refusal::AccountDisabled);
        check(|row| row.user_epoch = 4, 0.0, Refusal::SessionEnded);
    }

    #[test]
    fn a_disabled_account_is_told_so_whatever_became_of_its_session() {
        for reason in EndReason::ALL {
            let mut row = row(5);
            row.ended = Some(reason);
            assert_eq!(at(&row, 5, 0.0), Decision::Refuse(Refusal::SessionEnded), "{reason:?}");
            row.user_status = AccountStatus::Disabled;
            assert_eq!(at(&row, 5, 0.0), Decision::Refuse(Refusal::AccountDisabled), "{reason:?}");
        }
    }

    #[test]
    fn a_session_lives_until_the_instant_it_expires() {
        assert_eq!(at(&row(5), 5, 7.0 * 86_400.0 - 0.001), continued(Step::Rotated, 6));
    }
}
