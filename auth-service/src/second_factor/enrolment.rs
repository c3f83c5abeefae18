//! How an account gets a second factor: it is enrolled, pending, and then confirmed by a code of the app.

use super::authenticator::Step;
use super::factor::{Factor, FactorId};

/// The account has a second factor already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the account has a second factor; remove it before you enrol another")]
pub struct AlreadyOn;

/// The account has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the account has no second factor")]
pub struct Off;

/// An administrator does not take away their own second factor without the password: whoever stole the session would have to make
/// another administrator first, which is on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("your own second factor is removed with your password, at /api/auth/second-factor")]
pub struct OwnFactor;

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

/// Decides whether an enrolment is confirmed, and which. `matched` is the step of the code that was shown, if it is one of the
/// secret's.
pub fn confirm(enrolled: Option<&Factor>, matched: Option<Step>) -> Result<(FactorId, Step), NotConfirmed> {
    let factor = enrolled.ok_or(Off)?;
    begin(Some(factor))?;
    matched.map(|step| (factor.id, step)).ok_or(NotConfirmed::WrongCode)
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
        let pending = factor(false);
        assert_eq!(confirm(Some(&pending), Some(7)), Ok((pending.id, 7)));
        assert_eq!(confirm(Some(&pending), None), Err(NotConfirmed::WrongCode));
        assert_eq!(confirm(Some(&factor(true)), Some(7)), Err(NotConfirmed::AlreadyOn(AlreadyOn)));
        assert_eq!(confirm(None, Some(7)), Err(NotConfirmed::Off(Off)));
    }
}
