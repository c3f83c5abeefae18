//! Whether the second step of a login succeeds.
//!
//! The password was right a moment ago: the challenge says so. Whether that still counts is decided here on the account as it
//! is now, and once more by the statement that opens the session.

use secret::Secret;
use time::OffsetDateTime;

use super::authenticator::Step;
use super::factor::Factor;
use super::recovery_code::RecoveryHash;
use crate::accounts::AccountStatus;
use crate::tokens::login_challenge::{LoginChallenge, PasswordFingerprint};

/// How an account stands when its second factor is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether it may be used.
    pub status: AccountStatus,
    /// Its epoch.
    pub epoch: i32,
    /// The hash of its password.
    pub password_hash: Secret<String>,
    /// Its second factor.
    pub factor: Factor,
    /// The database's time.
    pub now: OffsetDateTime,
}

/// What the session that is opened rests on, besides the password. Each is good once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The app's code of this step.
    Step(Step),
    /// A recovery code.
    Recovery(RecoveryHash),
}

/// Why the second step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecondStepRefusal {
    /// The challenge is none of ours, too old, or of an account that has changed since.
    #[error("this login has taken too long or is no longer valid; begin again with the password")]
    InvalidChallenge,
    /// The code is wrong, or used up.
    #[error("the code is wrong or has been used")]
    InvalidCode,
}

/// Decides. `shown` is what the code proved to be: the step that it is of, or a recovery code of the account.
pub fn decide(
    challenge: &LoginChallenge,
    standing: Option<&Standing>,
    shown: Option<Proof>,
) -> Result<Proof, SecondStepRefusal> {
    let standing = standing
        .filter(|standing| still_stands(challenge, standing))
        .ok_or(SecondStepRefusal::InvalidChallenge)?;
    let is_used_up = |step| standing.factor.last_step.is_some_and(|last| step <= last);
    match shown {
        Some(Proof::Step(step)) if is_used_up(step) => Err(SecondStepRefusal::InvalidCode),
        shown => shown.ok_or(SecondStepRefusal::InvalidCode),
    }
}

fn still_stands(challenge: &LoginChallenge, standing: &Standing) -> bool {
    standing.now < challenge.expires_at
        && standing.status == AccountStatus::Active
        && standing.epoch == challenge.epoch
        && PasswordFingerprint::of(&standing.password_hash) == challenge.password
        && standing.factor.is_confirmed
        && standing.factor.id == challenge.factor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::UserId;
    use crate::second_factor::factor::FactorId;
    use crate::second_factor::factor::tests::factor;
    use crate::sessions::Delivery;

    const NOON: OffsetDateTime = time::macros::datetime!(2026-11-24 12:00 UTC);

    fn standing() -> Standing {
        let password_hash = Secret::new("$2b$04$hash".to_owned());
        let factor = Factor { last_step: Some(100), ..factor(true) };
        Standing { status: AccountStatus::Active, epoch: 3, password_hash, factor, now: NOON }
    }

    fn challenge(standing: &Standing) -> LoginChallenge {
        LoginChallenge {
            user: UserId::generate(),
            factor: standing.factor.id,
            epoch: standing.epoch,
            password: PasswordFingerprint::of(&standing.password_hash),
            delivery: Delivery::Cookie,
            expires_at: NOON + time::Duration::SECOND,
        }
    }

    #[test]
    fn a_step_counts_once_and_so_do_those_before_it() {
        let standing = standing();
        for (step, good) in [(99, false), (100, false), (101, true), (102, true)] {
            let decided = decide(&challenge(&standing), Some(&standing), Some(Proof::Step(step)));
            let expected = if good { Ok(Proof::Step(step)) } else { Err(SecondStepRefusal::InvalidCode) };
            assert_eq!(decided, expected, "{step}");
        }
        let unused = Standing { factor: Factor { last_step: None, ..standing.factor.clone() }, ..standing };
        assert!(decide(&challenge(&unused), Some(&unused), Some(Proof::Step(0))).is_ok());
    }

    #[test]
    fn a_recovery_code_counts_and_nothing_does_not() {
        let (standing, code) = (standing(), Proof::Recovery(RecoveryHash([1; 32])));
        assert_eq!(decide(&challenge(&standing), Some(&standing), Some(code)), Ok(code));
        assert_eq!(decide(&challenge(&standing), Some(&standing), None), Err(SecondStepRefusal::InvalidCode));
    }

    #[test]
    fn whatever_changed_since_the_password_ends_the_challenge() {
        let good = standing();
        let changes: [fn(&mut Standing); 6] = [
            |standing| standing.now += time::Duration::SECOND,
            |standing| standing.status = AccountStatus::Disabled,
            |standing| standing.epoch += 1,
            |standing| standing.password_hash = Secret::new("$2b$04$other".to_owned()),
            |standing| standing.factor.is_confirmed = false,
            |standing| standing.factor.id = FactorId::generate(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = good.clone();
            change(&mut changed);
            let decided = decide(&challenge(&good), Some(&changed), Some(Proof::Step(101)));
            assert_eq!(decided, Err(SecondStepRefusal::InvalidChallenge), "change {number}");
        }
        let gone = decide(&challenge(&good), None, Some(Proof::Step(101)));
        assert_eq!(gone, Err(SecondStepRefusal::InvalidChallenge));
    }
}
