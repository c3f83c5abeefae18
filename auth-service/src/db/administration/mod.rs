//! What is done to accounts by others than their owners, over HTTP or on the command line: each in one transaction with the
//! ends, the revocation and the audit row that follow.
//!
//! As in `epochs`, the account's row is locked first, and everything is decided on what is read after that.

mod asking;
mod change;
mod create;
mod delete;
mod find;
mod list;
mod show;

use database::Error;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};

pub(super) use asking::Asking;
pub use change::{change_account, end_sessions_of};
pub use create::create_account;
pub use delete::delete_account;
pub use find::find_account;
pub use list::{AccountFilter, list_accounts};
pub use show::{Overview, show_account};

use super::audit::{Event, Kind};
use super::schema::users;
use super::sessions::{EndAll, ask, lock_user};
use super::users::{InsertError, USER, User};
use crate::accounts::administration::{LastAdmin, Standing};
use crate::accounts::{AccountStatus, Role, UserId};
use crate::sessions::{CurrentSession, Device, EndReason, SessionPolicy};

/// Held while an administrator may cease to be one, so that two cannot remove each other as the last.
const ADMINISTRATION: &str = "SELECT pg_advisory_xact_lock(7218046155310932481)";

/// On whose behalf an account is administered.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// An administrator, in a session that must be live.
    Administrator(&'a CurrentSession),
    /// Whoever runs the service, on the command line.
    Operator,
}

/// On whose behalf, from where, and how long sessions live.
#[derive(Debug, Clone, Copy)]
pub struct Mandate<'a> {
    /// On whose behalf.
    pub by: By<'a>,
    /// From where.
    pub device: &'a Device,
    /// How long sessions live, and what is revoked is remembered.
    pub policy: &'a SessionPolicy,
}

/// Why something was not done to an account.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// There is none of that id.
    #[error("there is no such account")]
    NoSuchUser,
    /// Nobody would be left to administer anything.
    #[error(transparent)]
    LastAdmin(#[from] LastAdmin),
    /// Another account has the address.
    #[error("this e-mail address has an account already")]
    EmailTaken,
    /// The administrator's session has ended, or they are none any more.
    #[error("the session has ended")]
    NotAsked,
    /// The database could not do it.
    #[error(transparent)]
    Database(#[from] Error),
}

impl From<InsertError> for NotDone {
    fn from(error: InsertError) -> Self {
        match error {
            InsertError::EmailTaken => Self::EmailTaken,
            InsertError::Database(error) => Self::Database(error),
        }
    }
}

impl<'a> Mandate<'a> {
    /// Whether whoever asks may still do so. What they do to themselves at the same moment counts as if it came after.
    async fn stands(&self, connection: &mut AsyncPgConnection) -> QueryResult<bool> {
        match self.by {
            By::Operator => Ok(true),
            By::Administrator(session) => {
                let asking = ask(connection, session, self.policy).await?;
                Ok(asking.is_some_and(|asking| asking.user.role == Role::Admin))
            }
        }
    }

    const fn actor(&self) -> Option<UserId> {
        match self.by {
            By::Administrator(session) => Some(session.user),
            By::Operator => None,
        }
    }

    /// What the trail says beside: an operator has no id that it could name.
    fn detail(&self, mut detail: Value) -> Value {
        if let (By::Operator, Some(detail)) = (self.by, detail.as_object_mut()) {
            detail.insert("by".to_owned(), json!("operator"));
        }
        detail
    }

    fn event(&self, kind: Kind, user: UserId, detail: Value) -> Event<'a> {
        let (device, detail) = (self.device, self.detail(detail));
        Event { kind, user: Some(user), session: None, actor: self.actor(), device, detail }
    }

    fn ends(&self, user: &User, reason: EndReason, kind: Kind, detail: Value) -> EndAll<'a> {
        EndAll {
            user: user.id,
            epoch: user.epoch,
            kept: None,
            reason,
            kind,
            session: None,
            actor: self.actor(),
            device: self.device,
            detail: self.detail(detail),
        }
    }
}

/// Keeps everybody else from what may take an administrator away, until the end of the transaction.
async fn lock_administration(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::sql_query(ADMINISTRATION).execute(connection).await.map(drop)
}

/// An account as it stands, locked; or why nothing is to be done about it.
async fn lock_for(
    connection: &mut AsyncPgConnection,
    mandate: &Mandate<'_>,
    user: UserId,
) -> QueryResult<Result<User, NotDone>> {
    lock_user(connection, user).await?;
    if !mandate.stands(connection).await? {
        return Ok(Err(NotDone::NotAsked));
    }
    let found: Option<User> = users::table.find(user.0).select(USER).first(connection).await.optional()?;
    Ok(found.ok_or(NotDone::NoSuchUser))
}

async fn standing(connection: &mut AsyncPgConnection, user: &User) -> QueryResult<Standing> {
    let others = users::table
        .filter(users::id.ne(user.id.0))
        .filter(users::role.eq(Role::Admin.as_str()).and(users::status.eq(AccountStatus::Active.as_str())));
    let others: bool = diesel::select(diesel::dsl::exists(others)).get_result(connection).await?;
    Ok(Standing { role: user.role, status: user.status, has_other_admins: others })
}
