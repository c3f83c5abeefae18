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

/// How an account stands, as far as a login goes by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether it may be used.
    pub status: AccountStatus,
}

/// Decides a login. `account` is how it stands, if there is one; the answer is a better hash to store, if there is one.
///
/// How it stands is said only to who knows its password.
pub fn decide(account: Option<Standing>, verdict: Verdict) -> Result<Option<PasswordHash>, LoginRefusal> {
    let (Some(account), Verdict::Correct { rehashed }) = (account, verdict) else {
        return Err(LoginRefusal::InvalidCredentials);
    };
    match account.status {
        AccountStatus::Active => Ok(rehashed),
        AccountStatus::Disabled => Err(LoginRefusal::AccountDisabled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORRECT: Verdict = Verdict::Correct { rehashed: None };

    fn check(status: Option<AccountStatus>, verdict: Verdict, expected: Result<(), LoginRefusal>) {
        let account = status.map(|status| Standing { status });
        assert_eq!(decide(account, verdict).map(drop), expected, "{status:?}");
    }

    #[test]
    fn only_the_right_password_of_an_active_account_logs_in() {
        check(Some(AccountStatus::Active), CORRECT, Ok(()));
        check(Some(AccountStatus::Active), Verdict::Wrong, Err(LoginRefusal::InvalidCredentials));
        check(None, Verdict::Wrong, Err(LoginRefusal::InvalidCredentials));
        check(None, CORRECT, Err(LoginRefusal::InvalidCredentials));
    }

    #[test]
    fn disabled_is_said_only_after_the_right_password() {
        check(Some(AccountStatus::Disabled), CORRECT, Err(LoginRefusal::AccountDisabled));
        check(Some(AccountStatus::Disabled), Verdict::Wrong, Err(LoginRefusal::InvalidCredentials));
    }
}
