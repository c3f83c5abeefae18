//! Whether somebody who is logged in may have another password.

use super::Email;
use super::password::{self, RefusedPassword};
use super::password_hash::Verdict;

/// The new password is not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the new password {0}")]
pub struct InvalidNewPassword(pub RefusedPassword);

/// The password that should have been the current one is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not your current password")]
pub struct WrongPassword;

/// Decides whether `email`'s owner may choose `new`; asked before anything is hashed.
pub fn check(new: &str, email: Option<&Email>) -> Result<(), InvalidNewPassword> {
    password::check_new(new, email).map_err(InvalidNewPassword)
}

/// Decides by what comparing the current password said.
pub fn decide(verdict: &Verdict) -> Result<(), WrongPassword> {
    match verdict {
        Verdict::Correct { .. } => Ok(()),
        Verdict::Wrong => Err(WrongPassword),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_current_password_lets_in_another() {
        assert_eq!(decide(&Verdict::Correct { rehashed: None }), Ok(()));
        assert_eq!(decide(&Verdict::Wrong), Err(WrongPassword));
    }

    #[test]
    fn the_new_one_keeps_the_rules_of_all_passwords() {
        let email = Email::parse("ann@example.com").unwrap();
        assert_eq!(check("kettle-7-fog", Some(&email)), Ok(()));
        let check = |new, refused| assert_eq!(check(new, Some(&email)), Err(InvalidNewPassword(refused)));
        check("kettle-7", RefusedPassword::TooShort);
        check("passwordpassword", RefusedPassword::Common);
        check("ann@example.com", RefusedPassword::SimilarToEmail);
    }
}
