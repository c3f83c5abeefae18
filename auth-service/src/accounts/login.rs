//! Whether a login succeeds, once its password has been compared.

use super::AccountStatus;
use super::password_hash::{PasswordHash, Verdict};

/// Why a login fails. Which of address and password was wrong is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefusal {
    /// No such account, or not its password.
    #[error("the e-mail address or the password is wrong")]
    InvalidCredentials,
    /// The password is right and the account may not be used.
    #[error("this account is disabled")]
    AccountDisabled,
}

/// Decides a login. `status` is the account's, if there is one; the answer is a better hash to store, if there is one.
///
/// That an account is disabled is said only to who knows its password.
pub fn decide(status: Option<AccountStatus>, verdict: Verdict) -> Result<Option<PasswordHash>, LoginRefusal> {
    match (status, verdict) {
        (Some(AccountStatus::Active), Verdict::Correct { rehashed }) => Ok(rehashed),
        (Some(AccountStatus::Disabled), Verdict::Correct { .. }) => Err(LoginRefusal::AccountDisabled),
        (None, _) | (Some(_), Verdict::Wrong) => Err(LoginRefusal::InvalidCredentials),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORRECT: Verdict = Verdict::Correct { rehashed: None };

    #[test]
    fn only_the_right_password_of_an_active_account_logs_in() {
        assert_eq!(decide(Some(AccountStatus::Active), CORRECT), Ok(None));
        assert_eq!(
            decide(Some(AccountStatus::Active), Verdict::Wrong),
            Err(LoginRefusal::InvalidCredentials)
        );
        assert_eq!(decide(None, Verdict::Wrong), Err(LoginRefusal::InvalidCredentials));
        assert_eq!(decide(None, CORRECT), Err(LoginRefusal::InvalidCredentials));
    }

    #[test]
    fn disabled_is_said_only_after_the_right_password() {
        assert_eq!(decide(Some(AccountStatus::Disabled), CORRECT), Err(LoginRefusal::AccountDisabled));
        assert_eq!(
            decide(Some(AccountStatus::Disabled), Verdict::Wrong),
            Err(LoginRefusal::InvalidCredentials)
        );
    }
}
