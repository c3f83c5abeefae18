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
    /// The password is right, and the address has to be verified first (`REQUIRE_VERIFIED_EMAIL`).
    #[error("this e-mail address must be verified first; look for the mail, or ask for a new password")]
    EmailUnverified,
}

/// How an account stands, as far as a login goes by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether it may be used.
    pub status: AccountStatus,
    /// Whether its address has to be verified first.
    pub must_verify: bool,
}

/// Decides a login. `account` is how it stands, if there is one; the answer is a better hash to store, if there is one.
///
/// How it stands is said only to who knows its password.
pub fn decide(account: Option<Standing>, verdict: Verdict) -> Result<Option<PasswordHash>, LoginRefusal> {
    let (Some(account), Verdict::Correct { rehashed }) = (account, verdict) else {
        return Err(LoginRefusal::InvalidCredentials);
    };
    match account.status {
        AccountStatus::Active if account.must_verify => Err(LoginRefusal::EmailUnverified),
        AccountStatus::Active => Ok(rehashed),
        AccountStatus::Disabled => Err(LoginRefusal::AccountDisabled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORRECT: Verdict = Verdict::Correct { rehashed: None };

    fn check(status: Option<AccountStatus>, verdict: Verdict, expected: Result<(), LoginRefusal>) {
        let account = status.map(|status| Standing { status, must_verify: false });
        assert_eq!(decide(account, verdict).map(drop), expected, "{status:?}");
    }

    #[test]
    fn that_an_address_is_unverified_is_said_last() {
        let check = |status, verdict, expected| {
            let account = Standing { status, must_verify: true };
            assert_eq!(decide(Some(account), verdict), Err(expected), "{status:?}");
        };
        check(AccountStatus::Active, CORRECT, LoginRefusal::EmailUnverified);
        check(AccountStatus::Active, Verdict::Wrong, LoginRefusal::InvalidCredentials);
        check(AccountStatus::Disabled, CORRECT, LoginRefusal::AccountDisabled);
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
