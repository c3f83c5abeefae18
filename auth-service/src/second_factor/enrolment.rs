//! How an account gets a second factor: it is enrolled, pending, and then confirmed by a code of the app.

use super::authenticator::Step;
use super::factor::Factor;

/// The account has a second factor already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the account has a second factor; remove it before you enrol another")]
pub struct AlreadyOn;

/// The account has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the account has no second factor")]
pub struct Off;

/// Why an enrolment is not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotConfirmed {
    /// It is on already.
    #[error(transparent)]
    AlreadyOn(#[from] AlreadyOn),
    /// Nothing was enrolled, or it was removed.
    #[error(transparent)]
    Off(#[from] Off),
    /// The code is none of the enrolled secret's. Another enrolment may have replaced the one that the app knows.
    #[error("this is not the app's current code")]
    WrongCode,
}

/// Decides whether an enrolment may begin, in the place of a pending one if there is one.
///
/// A factor that is on is not replaced: whoever lost the app removes it first, and that is a step of its own on record.
pub fn begin(existing: Option<&Factor>) -> Result<(), AlreadyOn> {
    match existing {
        Some(factor) if factor.is_confirmed => Err(AlreadyOn),
        Some(_) | None => Ok(()),
    }
}

/// Decides whether an enrolment is confirmed. `matched` is the step of the code that was shown, if it is one of the secret's.
pub fn confirm(enrolled: Option<&Factor>, matched: Option<Step>) -> Result<Step, NotConfirmed> {
    let factor = enrolled.ok_or(Off)?;
    begin(Some(factor))?;
    matched.ok_or(NotConfirmed::WrongCode)
}

/// The factor of an account that has one.
pub fn confirmed(factor: Option<Factor>) -> Result<Factor, Off> {
    factor.filter(|factor| factor.is_confirmed).ok_or(Off)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::second_factor::factor::tests::factor;

    #[test]
    fn a_pending_enrolment_is_replaced_and_a_confirmed_one_is_not() {
        assert_eq!(begin(None), Ok(()));
        assert_eq!(begin(Some(&factor(false))), Ok(()));
        assert_eq!(begin(Some(&factor(true))), Err(AlreadyOn));
    }

    #[test]
    fn only_the_apps_code_confirms_and_only_once() {
        let check =
            |factor: Option<Factor>, matched, decided| assert_eq!(confirm(factor.as_ref(), matched), decided);
        check(Some(factor(false)), Some(7), Ok(7));
        check(Some(factor(false)), None, Err(NotConfirmed::WrongCode));
        check(Some(factor(true)), Some(7), Err(NotConfirmed::AlreadyOn(AlreadyOn)));
        check(None, Some(7), Err(NotConfirmed::Off(Off)));
    }

    #[test]
    fn a_pending_one_is_not_on() {
        assert_eq!(confirmed(None), Err(Off));
        assert_eq!(confirmed(Some(factor(false))), Err(Off));
        assert!(confirmed(Some(factor(true))).is_ok());
    }
}
