//! What an administrator may make of an account, and which changes end its sessions.

use super::{AccountStatus, Role};
use crate::sessions::EndReason;

/// What is asked for; what is left out stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountChange {
    /// Another role.
    pub role: Option<Role>,
    /// Another status.
    pub status: Option<AccountStatus>,
}

/// An account before the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its role.
    pub role: Role,
    /// Its status.
    pub status: AccountStatus,
    /// Whether anybody else is an ADMIN and not disabled.
    pub has_other_admins: bool,
}

/// What the account is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// Its role.
    pub role: Role,
    /// Its status.
    pub status: AccountStatus,
    /// Why its sessions end and its epoch is raised, if they do: what they were opened for is no longer so.
    pub ends: Option<EndReason>,
}

/// Nobody would be left to administer anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is the last administrator that is not disabled")]
pub struct LastAdmin;

/// Decides on a change. One that changes nothing ends nothing.
pub fn decide(standing: &Standing, change: &AccountChange) -> Result<Decided, LastAdmin> {
    let role = change.role.unwrap_or(standing.role);
    let status = change.status.unwrap_or(standing.status);
    if !administers(role, status) {
        may_remove(standing)?;
    }
    let is_disabled_now = standing.status == AccountStatus::Active && status == AccountStatus::Disabled;
    let ends = if is_disabled_now {
        Some(EndReason::AccountDisabled)
    } else {
        (role != standing.role).then_some(EndReason::RoleChanged)
    };
    Ok(Decided { role, status, ends })
}

/// Whether everybody can do without this administrator, if it is one.
pub fn may_remove(standing: &Standing) -> Result<(), LastAdmin> {
    let is_last = administers(standing.role, standing.status) && !standing.has_other_admins;
    if is_last { Err(LastAdmin) } else { Ok(()) }
}

fn administers(role: Role, status: AccountStatus) -> bool {
    role == Role::Admin && status == AccountStatus::Active
}

#[cfg(test)]
mod tests {
    use super::AccountStatus::{Active, Disabled};
    use super::Role::{Admin, User};
    use super::*;

    type Account = (Role, AccountStatus);

    fn change(role: Option<Role>, status: Option<AccountStatus>) -> AccountChange {
        AccountChange { role, status }
    }

    fn check(before: Account, change: AccountChange, after: Account, ends: Option<EndReason>) {
        let standing = Standing { role: before.0, status: before.1, has_other_admins: true };
        let expected = Decided { role: after.0, status: after.1, ends };
        assert_eq!(decide(&standing, &change), Ok(expected), "{before:?} {change:?}");
    }

    #[test]
    fn what_a_session_was_opened_for_is_what_ends_it() {
        let (demoted, disabled) = (Some(EndReason::RoleChanged), Some(EndReason::AccountDisabled));
        check((User, Active), change(None, None), (User, Active), None);
        check((User, Active), change(Some(User), Some(Active)), (User, Active), None);
        check((User, Active), change(Some(Admin), None), (Admin, Active), demoted);
        check((Admin, Active), change(Some(User), None), (User, Active), demoted);
        check((User, Active), change(None, Some(Disabled)), (User, Disabled), disabled);
        check((Admin, Active), change(Some(User), Some(Disabled)), (User, Disabled), disabled);
        check((User, Disabled), change(None, Some(Active)), (User, Active), None);
        check((User, Disabled), change(None, Some(Disabled)), (User, Disabled), None);
        check((User, Disabled), change(Some(Admin), Some(Active)), (Admin, Active), demoted);
    }

    #[test]
    fn the_last_administrator_stays_one() {
        let check = |before: Account, change, allowed| {
            let standing = Standing { role: before.0, status: before.1, has_other_admins: false };
            assert_eq!(decide(&standing, &change).is_ok(), allowed, "{before:?} {change:?}");
        };
        check((Admin, Active), change(Some(User), None), false);
        check((Admin, Active), change(None, Some(Disabled)), false);
        check((Admin, Active), change(Some(User), Some(Disabled)), false);
        check((Admin, Active), change(Some(Admin), Some(Active)), true);
        // A disabled administrator administers nothing already.
        check((Admin, Disabled), change(Some(User), None), true);
        check((User, Active), change(None, Some(Disabled)), true);
    }

    #[test]
    fn whoever_is_not_the_last_administrator_may_go() {
        let check = |(role, status), has_other_admins, allowed| {
            let standing = Standing { role, status, has_other_admins };
            assert_eq!(may_remove(&standing).is_ok(), allowed, "{standing:?}");
        };
        check((Admin, Active), false, false);
        check((Admin, Active), true, true);
        check((Admin, Disabled), false, true);
        check((User, Active), false, true);
        check((User, Disabled), false, true);
    }
}
