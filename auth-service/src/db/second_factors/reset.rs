//! The second factor of somebody who can show it no more goes, by an administrator or by whoever runs the service.

use database::{Database, Error};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use serde_json::json;
use uuid::Uuid;

use super::asked::{Binds, Change, OutcomeColumns, push_asked};
use crate::accounts::UserId;
use crate::db::audit::{self, Event, Kind};
use crate::db::epochs::Asked;
use crate::db::schema::{second_factors, users};
use crate::db::statement::{prepared, push_given};
use crate::mail::Notice;
use crate::sessions::Device;

const RESET: &str = concat!(include_str!("../sessions/asking.sql"), include_str!("reset.sql"));

struct Reset<'a> {
    binds: Binds<'a>,
    user: UserId,
}

prepared!(Reset selects OutcomeColumns);

impl QueryFragment<Pg> for Reset<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_asked!(out, self.binds, "user_id": SqlUuid = &self.user.0);
        out.push_sql(RESET);
        Ok(())
    }
}

/// Removes what an account has enrolled, on an administrator's behalf. [`Change::Unfit`]: there is no such account.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn reset(
    db: &Database,
    asked: &Asked<'_>,
    user: UserId,
    notice: Option<&Notice>,
) -> Result<Change, Error> {
    let statement = Reset { binds: Binds::new(asked, None, notice), user };
    db.run(async |connection| statement.get_result(connection).await).await.map(Change::of)
}

/// What became of an operator's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorReset {
    /// The account has no second factor any more.
    Removed,
    /// It had none.
    HadNone,
    /// There is no such account.
    NoSuchUser,
}

/// Removes what an account has enrolled, on behalf of whoever runs the service.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn reset_by_operator(db: &Database, user: UserId) -> Result<OperatorReset, Error> {
    let account = users::table.find(user.0).select(users::id);
    db.run(async |connection| {
        connection
            .transaction(async |connection| {
                let found: Option<Uuid> = account.first(connection).await.optional()?;
                if found.is_none() {
                    return Ok(OperatorReset::NoSuchUser);
                }
                let removed = diesel::delete(second_factors::table.find(user.0)).execute(connection).await?;
                if removed == 0 {
                    return Ok(OperatorReset::HadNone);
                }
                let event = Event {
                    kind: Kind::SecondFactorReset,
                    user: Some(user),
                    session: None,
                    actor: None,
                    device: &Device::default(),
                    detail: json!({"by": "operator"}),
                };
                audit::insert(connection, &event).await?;
                Ok(OperatorReset::Removed)
            })
            .await
    })
    .await
}
