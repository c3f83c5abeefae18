//! An account with what an administrator wants to know beside: one statement.

use database::Database;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Int4, Int8, Interval, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use time::OffsetDateTime;

use super::asking::Asking;
use super::{Mandate, NotDone};
use crate::accounts::UserId;
use crate::db::statement::interval;
use crate::db::users::User;

/// An account and its sessions in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The account.
    pub user: User,
    /// In how many live sessions it is logged in.
    pub sessions: i64,
    /// When it last logged in, of the sessions that are not purged yet.
    pub last_login_at: Option<OffsetDateTime>,
    /// Whether its address is verified.
    pub email_verified: bool,
    /// Whether a second factor is in force.
    pub second_factor: bool,
}

struct Show<'a> {
    asking: Asking<'a>,
    user: UserId,
    idle: diesel::data_types::PgInterval,
}

/// What the statement answers.
type Row = (Option<User>, i64, Option<OffsetDateTime>, bool, bool);

type UserColumns = (SqlUuid, Text, Text, Text, Int4, Timestamptz);

impl QueryId for Show<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Show<'_> {
    type SqlType = (Nullable<UserColumns>, Int8, Nullable<Timestamptz>, Bool, Bool);
}

impl QueryFragment<Pg> for Show<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.asking.push(&mut out)?;
        out.push_sql(
            "SELECT found.id, found.email, found.role, found.status, found.epoch, found.created_at, \
             (SELECT count(*) FROM sessions WHERE user_id = found.id AND ended_at IS NULL \
             AND epoch >= found.epoch AND now() < expires_at AND now() < rotated_at + ",
        );
        out.push_bind_param::<Interval, _>(&self.idle)?;
        out.push_sql(
            "), (SELECT max(created_at) FROM sessions WHERE user_id = found.id), \
             found.email_verified_at IS NOT NULL, EXISTS (SELECT FROM second_factors \
             WHERE user_id = found.id AND confirmed_at IS NOT NULL) \
             FROM asking LEFT JOIN users AS found ON found.id = ",
        );
        out.push_bind_param::<SqlUuid, _>(&self.user.0)?;
        out.push_sql(" WHERE asking.role = 'ADMIN'");
        Ok(())
    }
}

/// The account of an id.
///
/// # Errors
/// [`NotDone`]
pub async fn show_account(db: &Database, mandate: &Mandate<'_>, user: UserId) -> Result<Overview, NotDone> {
    let statement = Show { asking: Asking::new(mandate), user, idle: interval(mandate.policy.idle) };
    let found: Option<Row> =
        db.run(async |connection| statement.get_result(connection).await.optional()).await?;
    let (user, sessions, last_login_at, email_verified, second_factor) = found.ok_or(NotDone::NotAsked)?;
    let user = user.ok_or(NotDone::NoSuchUser)?;
    Ok(Overview { user, sessions, last_login_at, email_verified, second_factor })
}
