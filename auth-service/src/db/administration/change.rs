//! Another role or status, and the end of all sessions of an account.

use database::Database;
use diesel::prelude::*;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::{Mandate, NotDone, lock_administration, lock_for, standing};
use crate::accounts::UserId;
use crate::accounts::administration::{AccountChange, Decided, decide};
use crate::db::audit::{self, Kind};
use crate::db::schema::users;
use crate::db::sessions::end_all;
use crate::db::users::{USER, User};
use crate::sessions::EndReason;

/// Ends all sessions of an account.
///
/// # Errors
/// [`NotDone`]
pub async fn end_sessions_of(db: &Database, mandate: &Mandate<'_>, user: UserId) -> Result<User, NotDone> {
    db.run(async |connection| {
        connection
            .transaction(async |connection| {
                if let Err(not_done) = lock_for(connection, mandate, user).await? {
                    return Ok(Err(not_done));
                }
                let after: User = diesel::update(users::table.find(user.0))
                    .set(users::epoch.eq(users::epoch + 1))
                    .returning(USER)
                    .get_result(connection)
                    .await?;
                let all = mandate.ends(&after, EndReason::EndedByAdmin, Kind::SessionsEnded, json!({}));
                end_all(connection, &all, mandate.policy).await?;
                Ok(Ok(after))
            })
            .await
    })
    .await?
}

/// Gives an account another role or status, unless nobody would be left to administer anything.
///
/// # Errors
/// [`NotDone`]
pub async fn change_account(
    db: &Database,
    mandate: &Mandate<'_>,
    user: UserId,
    change: &AccountChange,
) -> Result<User, NotDone> {
    db.run(async |connection| {
        connection
            .transaction(async |connection| {
                lock_administration(connection).await?;
                let before = match lock_for(connection, mandate, user).await? {
                    Ok(before) => before,
                    Err(not_done) => return Ok(Err(not_done)),
                };
                match decide(&standing(connection, &before).await?, change) {
                    Ok(decided) => write(connection, mandate, before, decided).await.map(Ok),
                    Err(last_admin) => Ok(Err(last_admin.into())),
                }
            })
            .await
    })
    .await?
}

async fn write(
    connection: &mut AsyncPgConnection,
    mandate: &Mandate<'_>,
    before: User,
    decided: Decided,
) -> QueryResult<User> {
    let Decided { role, status, ends } = decided;
    if (role, status) == (before.role, before.status) {
        return Ok(before);
    }
    let after: User = diesel::update(users::table.find(before.id.0))
        .set((
            users::role.eq(role.as_str()),
            users::status.eq(status.as_str()),
            users::epoch.eq(users::epoch + i32::from(ends.is_some())),
        ))
        .returning(USER)
        .get_result(connection)
        .await?;
    let detail = json!({
        "role": {"from": before.role, "to": role},
        "status": {"from": before.status, "to": status},
    });
    match ends {
        Some(reason) => {
            let all = mandate.ends(&after, reason, Kind::AccountChanged, detail);
            end_all(connection, &all, mandate.policy).await?;
        }
        None => {
            audit::insert(connection, &mandate.event(Kind::AccountChanged, before.id, detail)).await?;
        }
    }
    Ok(after)
}
