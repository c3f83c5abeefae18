//! The words an account is described in: its id, its role and its status.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::{NoContext, Timestamp, Uuid};

/// The id of an account: a UUIDv7, but for imported accounts, which keep theirs.
// One that was imported may be a UUID of another version, so nothing reads a time off it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct UserId(pub Uuid);

impl UserId {
    /// A new id; ids made later sort later.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// A new id for an account that was made at that time, elsewhere: it sorts among those of its time.
    #[must_use]
    pub fn generate_for(made: OffsetDateTime) -> Self {
        let seconds = u64::try_from(made.unix_timestamp()).unwrap_or_default();
        Self(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, made.nanosecond())))
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    /// Sees and changes everything.
    Admin,
    /// Sees and changes what is its own.
    User,
}

impl Role {
    /// The role as the database, tokens and JSON spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "ADMIN",
            Self::User => "USER",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A role that does not exist.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no role: ADMIN and USER are")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        match text {
            "ADMIN" => Ok(Self::Admin),
            "USER" => Ok(Self::User),
            other => Err(UnknownRole(other.to_owned())),
        }
    }
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccountStatus {
    /// May log in.
    Active,
    /// May not; its sessions do not refresh either.
    Disabled,
}

impl AccountStatus {
    /// The status as the database and JSON spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// A status that does not exist.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no account status: active and disabled are")]
pub struct UnknownStatus(String);

impl FromStr for AccountStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        match text {
            "active" => Ok(Self::Active),
            "disabled" => Ok(Self::Disabled),
            other => Err(UnknownStatus(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_as_itself() {
        for role in [Role::Admin, Role::User] {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        for status in [AccountStatus::Active, AccountStatus::Disabled] {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
    }

    #[test]
    fn an_id_sorts_by_the_time_that_the_account_was_made() {
        let early = UserId::generate_for(OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000));
        let late = UserId::generate_for(OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_001));
        assert!(early < late && late < UserId::generate());
        assert_eq!(early.0.get_version_num(), 7);
    }

    #[test]
    fn roles_are_not_guessed() {
        for wrong in ["admin", "", "ADMIN ", "ROOT"] {
            assert!(wrong.parse::<Role>().is_err(), "{wrong:?}");
        }
    }
}
