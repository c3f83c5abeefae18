//! Whether the second step of a login succeeds.
//!
//! The password was right a moment ago: the challenge says so. Whether that still counts is decided here on the account as it
//! is now, and once more by the statement that opens the session.

use std::time::Duration;

use secret::Secret;
use time::OffsetDateTime;

use super::authenticator::Step;
use super::factor::{Factor, FactorId};
use super::recovery_code::RecoveryHash;
use crate::accounts::AccountStatus;
use crate::sessions::Amr;
use crate::tokens::login_challenge::{LoginChallenge, PasswordFingerprint};

/// How an account stands when its second factor is shown.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Whether it may be used.
    pub status: AccountStatus,
    /// Its epoch.
    pub epoch: i32,
    /// The hash of its password.
    pub password_hash: &'a Secret<String>,
    /// Its second factor.
    pub factor: &'a Factor,
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

impl Proof {
    /// The step, if it is a code of the app.
    #[must_use]
    pub const fn step(&self) -> Option<Step> {
        match self {
            Self::Step(step) => Some(*step),
            Self::Recovery(_) => None,
        }
    }

    /// What is stored of the recovery code, if it is one.
    #[must_use]
    pub const fn recovery(&self) -> Option<&[u8]> {
        match self {
            Self::Step(_) => None,
            Self::Recovery(RecoveryHash(hash)) => Some(hash),
        }
    }

    /// How a session that rests on it and the password was proved (RFC 8176, which has no word for recovery codes).
    #[must_use]
    pub fn amr(self) -> Amr {
        let second = match self {
            Self::Step(_) => "otp",
            Self::Recovery(_) => "recovery",
        };
        ["pwd", second, "mfa"].map(str::to_owned).to_vec()
    }
}

/// A proof, and the factor that it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownFactor {
    /// Which factor.
    pub factor: FactorId,
    /// What was shown of it.
    pub proof: Proof,
}

/// The password is right, and it is not enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the password is right; a code of the second factor is needed too")]
pub struct MfaRequired {
    /// What the second step has to bring.
    pub challenge: Secret<String>,
    /// For how long it is good.
    pub expires_in: Duration,
    /// What may be shown, by the words of `amr`.
    pub methods: &'static [&'static str],
}

/// What may be shown at the second step.
pub const METHODS: &[&str] = &["otp", "recovery"];

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
    standing: Option<Standing<'_>>,
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

fn still_stands(challenge: &LoginChallenge, standing: &Standing<'_>) -> bool {
    standing.now < challenge.expires_at
        && standing.status == AccountStatus::Active
        && standing.epoch == challenge.epoch
        && PasswordFingerprint::of(standing.password_hash) == challenge.password
        && standing.factor.is_confirmed
        && standing.factor.id == challenge.factor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::UserId;
    use crate::second_factor::factor::tests::factor;
    use crate::sessions::Delivery;

    const NOON: OffsetDateTime = time::macros::datetime!(2026-11-24 12:00 UTC);

    /// An account, and the time.
    #[derive(Clone)]
    struct Account {
        status: AccountStatus,
        epoch: i32,
        password_hash: Secret<String>,
        factor: Factor,
        now: OffsetDateTime,
    }

    impl Account {
        fn new() -> Self {
            let password_hash = Secret::new("$2b$04$hash".to_owned());
            let factor = Factor { last_step: Some(100), ..factor(true) };
            Self { status: AccountStatus::Active, epoch: 3, password_hash, factor, now: NOON }
        }

        fn challenge(&self) -> LoginChallenge {
            LoginChallenge {
                user: UserId::generate(),
                factor: self.factor.id,
                epoch: self.epoch,
                password: PasswordFingerprint::of(&self.password_hash),
                delivery: Delivery::Cookie,
                expires_at: NOON + time::Duration::SECOND,
            }
        }

        fn decide(
            &self,
            challenge: &LoginChallenge,
            shown: Option<Proof>,
        ) -> Result<Proof, SecondStepRefusal> {
            let Self { status, epoch, password_hash, factor, now } = self;
            let (status, epoch, now) = (*status, *epoch, *now);
            decide(challenge, Some(Standing { status, epoch, password_hash, factor, now }), shown)
        }
    }

    #[test]
    fn a_step_counts_once_and_so_do_those_before_it() {
        let account = Account::new();
        for (step, good) in [(99, false), (100, false), (101, true), (102, true)] {
            let decided = account.decide(&account.challenge(), Some(Proof::Step(step)));
            let expected = if good { Ok(Proof::Step(step)) } else { Err(SecondStepRefusal::InvalidCode) };
            assert_eq!(decided, expected, "{step}");
        }
        let unused = Account { factor: factor(true), ..account };
        assert!(unused.decide(&unused.challenge(), Some(Proof::Step(0))).is_ok());
    }

    #[test]
    fn a_recovery_code_counts_and_nothing_does_not() {
        let (account, code) = (Account::new(), Proof::Recovery(RecoveryHash([1; 32])));
        assert_eq!(account.decide(&account.challenge(), Some(code)), Ok(code));
        assert_eq!(account.decide(&account.challenge(), None), Err(SecondStepRefusal::InvalidCode));
    }

    #[test]
    fn the_session_says_what_it_rests_on() {
        assert_eq!(Proof::Step(1).amr(), ["pwd", "otp", "mfa"]);
        assert_eq!(Proof::Recovery(RecoveryHash([1; 32])).amr(), ["pwd", "recovery", "mfa"]);
    }

    #[test]
    fn whatever_changed_since_the_password_ends_the_challenge() {
        let good = Account::new();
        let changes: [fn(&mut Account); 6] = [
            |account| account.now += time::Duration::SECOND,
            |account| account.status = AccountStatus::Disabled,
            |account| account.epoch += 1,
            |account| account.password_hash = Secret::new("$2b$04$other".to_owned()),
            |account| account.factor.is_confirmed = false,
            |account| account.factor.id = FactorId::generate(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = good.clone();
            change(&mut changed);
            let decided = changed.decide(&good.challenge(), Some(Proof::Step(101)));
            assert_eq!(decided, Err(SecondStepRefusal::InvalidChallenge), "change {number}");
        }
        let gone = decide(&good.challenge(), None, Some(Proof::Step(101)));
        assert_eq!(gone, Err(SecondStepRefusal::InvalidChallenge));
    }
}
