//! Why a session is over before its time. It stands in the session's row until the row is purged, and in the audit trail.

use std::str::FromStr;

use super::refresh::Ending;

/// Why a session was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// Its holder logged out.
    Logout,
    /// Its owner ended it from another session.
    EndedByUser,
    /// Its owner ended all of theirs.
    LogoutAll,
    /// The password was changed in another session.
    PasswordChanged,
    /// An administrator gave the account another role.
    RoleChanged,
    /// An administrator disabled the account.
    AccountDisabled,
    /// An administrator ended all sessions of the account.
    EndedByAdmin,
    /// The refresh token before the current one was used after the grace.
    LatePrevious,
    /// An old refresh token was used.
    StaleLineage,
}

impl EndReason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Logout,
        Self::EndedByUser,
        Self::LogoutAll,
        Self::PasswordChanged,
        Self::RoleChanged,
        Self::AccountDisabled,
        Self::EndedByAdmin,
        Self::LatePrevious,
        Self::StaleLineage,
    ];

    /// The reason as the database and the audit trail spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::EndedByUser => "ended_by_user",
            Self::LogoutAll => "logout_all",
            Self::PasswordChanged => "password_changed",
            Self::RoleChanged => "role_changed",
            Self::AccountDisabled => "account_disabled",
            Self::EndedByAdmin => "ended_by_admin",
            Self::LatePrevious => "late_previous",
            Self::StaleLineage => "stale_lineage",
        }
    }
}

impl From<Ending> for EndReason {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::LatePrevious => Self::LatePrevious,
            Ending::StaleLineage => Self::StaleLineage,
        }
    }
}

/// A reason that does not exist.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no reason to end a session")]
pub struct UnknownReason(String);

impl FromStr for EndReason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        let found = Self::ALL.into_iter().find(|reason| reason.as_str() == text);
        found.ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_read_back_as_itself() {
        for reason in EndReason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
        }
        assert!("Logout".parse::<EndReason>().is_err());
    }
}
