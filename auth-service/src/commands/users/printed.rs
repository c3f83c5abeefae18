//! An account as the commands print it.

use std::io::{Write as _, stdout};

use serde::Serialize;
use time::OffsetDateTime;

use crate::accounts::{AccountStatus, Role, UserId};
use crate::db::users::User;

/// An account, in the words of `/api/admin/users`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PrintedAccount<'a> {
    id: UserId,
    email: &'a str,
    role: Role,
    status: AccountStatus,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl<'a> From<&'a User> for PrintedAccount<'a> {
    fn from(user: &'a User) -> Self {
        let User { id, ref email, role, status, created_at, epoch: _ } = *user;
        Self { id, email, role, status, created_at }
    }
}

impl PrintedAccount<'_> {
    /// One line of JSON, as an item of a list.
    pub(super) fn print_json(&self) -> anyhow::Result<()> {
        print_json(self)
    }

    /// What an account is now: in JSON as the HTTP answer `{user}`, or as a line for people.
    pub(super) fn print_changed(&self, json: bool) -> anyhow::Result<()> {
        if json { print_json(&serde_json::json!({"user": self})) } else { self.print() }
    }

    /// One line, separated by tabs.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        let Self { id, email, role, status, .. } = self;
        writeln!(stdout(), "{id}\t{email}\t{role}\t{}", status.as_str())?;
        Ok(())
    }
}

/// Anything as one line of JSON.
pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    writeln!(stdout(), "{}", serde_json::to_string(value)?)?;
    Ok(())
}
