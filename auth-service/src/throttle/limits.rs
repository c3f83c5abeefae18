//! Which limits hold for what.

use super::limit::{Limit, Rate, Then};

/// What somebody attempts. Each is counted apart from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A login with a password.
    Login,
    /// Its second step.
    SecondFactor,
    /// A second step that failed, counted once more for whom it is told: the account's owner.
    SecondFactorAlarm,
    /// The current password, given for another one or for a change of the second factor.
    PasswordChange,
    /// The bootstrap token.
    Bootstrap,
    /// A new account: counted whether it is made or not.
    Registration,
    /// A client's secret.
    Client,
    /// Something that sends a mail: counted whether it is sent or not.
    Mail,
}

impl Purpose {
    /// The purpose as metrics, the audit trail and keys spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::SecondFactor => "second_factor",
            Self::SecondFactorAlarm => "second_factor_alarm",
            Self::PasswordChange => "password_change",
            Self::Bootstrap => "bootstrap",
            Self::Registration => "registration",
            Self::Client => "client",
            Self::Mail => "mail",
        }
    }
}

/// Whose failures a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those on one account from one address.
    AccountAtAddress,
    /// Those on one account from everywhere.
    Account,
    /// Those of one address on everything.
    Address,
}

impl Scope {
    /// In the order in which they are counted: an account's own address first.
    pub const ALL: [Self; 3] = [Self::AccountAtAddress, Self::Account, Self::Address];

    /// The scope as metrics, the audit trail and keys spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountAtAddress => "account_address",
            Self::Account => "account",
            Self::Address => "address",
        }
    }
}

/// The limits in force; `None` is `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For one account from one address (`THROTTLE_ACCOUNT_ADDRESS`).
    pub account_address: Option<Rate>,
    /// For one account from everywhere (`THROTTLE_ACCOUNT`).
    pub account: Option<Rate>,
    /// For the codes of one account from everywhere (`THROTTLE_SECOND_FACTOR`).
    pub second_factor: Option<Rate>,
    /// For one address on everything (`THROTTLE_ADDRESS`).
    pub address: Option<Rate>,
    /// For new accounts from one address (`THROTTLE_REGISTRATION`).
    pub registration: Option<Rate>,
    /// For mails to one account (`THROTTLE_MAIL`).
    pub mail: Option<Rate>,
}

impl Limits {
    /// What holds for `purpose` in `scope`, if anything does.
    ///
    /// A bootstrap token and a client's secret are 256 random bits, which nobody guesses: they have no limit that strangers
    /// could use up for whoever has the right one.
    #[must_use]
    pub fn of(&self, purpose: Purpose, scope: Scope) -> Option<Limit> {
        use Purpose::{
            Bootstrap, Client, Login, Mail, PasswordChange, Registration, SecondFactor, SecondFactorAlarm,
        };
        let (rate, then) = match (purpose, scope) {
            (SecondFactorAlarm, Scope::AccountAtAddress | Scope::Address) => return None,
            (SecondFactorAlarm, Scope::Account) => (self.second_factor.map(alarming), Then::Wait),
            (SecondFactor, Scope::Account) => (self.second_factor, Then::Wait),
            (Registration, Scope::AccountAtAddress | Scope::Account) => return None,
            (Bootstrap | Client, Scope::Account) => return None,
            (Registration | Mail, Scope::Address) => (self.registration, Then::Wait),
            (Mail, Scope::AccountAtAddress | Scope::Account) => (self.mail, Then::Wait),
            (Login | SecondFactor | PasswordChange | Bootstrap | Client, Scope::AccountAtAddress) => {
                (self.account_address, Then::Doubling)
            }
            (Login | PasswordChange, Scope::Account) => (self.account, Then::Wait),
            (Login | SecondFactor | PasswordChange | Bootstrap | Client, Scope::Address) => {
                (self.address, Then::Wait)
            }
        };
        rate.map(|rate| rate.then(then))
    }
}

/// Of so many wrong codes the owner is not told: people mistype.
const MISTYPED: i32 = 5;

/// When the owner is told: once in the window, early enough that most of what may be tried is still to come.
fn alarming(rate: Rate) -> Rate {
    Rate { allowed: MISTYPED.min(rate.allowed - 1).max(1), ..rate }
}
