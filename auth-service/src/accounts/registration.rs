//! What somebody has to bring to get an account. All that is wrong is said at once.

use super::Email;
use super::email::InvalidEmail;
use super::password::{self, RefusedPassword};

/// What is wrong with a registration; at least one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the registration is not acceptable")]
pub struct InvalidRegistration {
    /// What is wrong with the address.
    pub email: Option<InvalidEmail>,
    /// What is wrong with the password.
    pub password: Option<RefusedPassword>,
}

/// The address of a new account, if both address and password are acceptable.
pub fn check(email: &str, password: &str) -> Result<Email, InvalidRegistration> {
    let email = Email::parse(email);
    let password = password::check_new(password, email.as_ref().ok());
    match (email, password) {
        (Ok(email), Ok(())) => Ok(email),
        (email, password) => Err(InvalidRegistration { email: email.err(), password: password.err() }),
    }
}

/// The address belongs to an account already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this e-mail address has an account already")]
pub struct EmailTaken;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_mistakes_are_told_together() {
        assert_eq!(check(" Ann@Example.com ", "kettle-7-fog").unwrap().as_str(), "ann@example.com");
        let refusal = check("ann", "short").unwrap_err();
        assert_eq!(
            refusal,
            InvalidRegistration {
                email: Some(InvalidEmail::NotAnAddress),
                password: Some(RefusedPassword::TooShort)
            }
        );
        let refusal = check("ann@example.com", "short").unwrap_err();
        assert_eq!(refusal, InvalidRegistration { email: None, password: Some(RefusedPassword::TooShort) });
    }
}
