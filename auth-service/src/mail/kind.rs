//! What is written about.

use std::str::FromStr;

use super::token::Purpose;

/// Why somebody gets mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// They shall prove that they read it.
    VerifyEmail,
    /// They have forgotten their password.
    ResetPassword,
    /// Somebody tried to register with their address.
    AccountExists,
    /// Their password was replaced.
    PasswordChanged,
    /// They logged in from where they never did before.
    NewDevice,
    /// Their second factor came, went, or got other recovery codes.
    SecondFactorChanged,
    /// Somebody has their password and no code.
    SecondFactorFailures,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::AccountExists,
        Self::PasswordChanged,
        Self::NewDevice,
        Self::SecondFactorChanged,
        Self::SecondFactorFailures,
    ];

    /// The kind as the database and metrics spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::AccountExists => "account_exists",
            Self::PasswordChanged => "password_changed",
            Self::NewDevice => "new_device",
            Self::SecondFactorChanged => "second_factor_changed",
            Self::SecondFactorFailures => "second_factor_failures",
        }
    }
}

impl From<Purpose> for Kind {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::VerifyEmail => Self::VerifyEmail,
            Purpose::ResetPassword => Self::ResetPassword,
        }
    }
}

/// A kind of mail that does not exist.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no kind of mail")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_as_itself() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("newsletter".parse::<Kind>().is_err());
    }
}
