//! Whether the caller has a second factor, as they may see it.

use database::{Database, Error};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Int8, Interval, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use time::OffsetDateTime;

use crate::db::statement::{interval, prepared, push_given};
use crate::sessions::{CurrentSession, SessionPolicy};

const STATUS: &str = concat!(
    include_str!("../sessions/asking.sql"),
    "SELECT factor.confirmed_at, CASE WHEN factor.confirmed_at IS NULL THEN factor.created_at END, \
            (SELECT count(*) FROM recovery_codes AS code \
             WHERE code.user_id = factor.user_id AND code.generation = factor.codes_generation) \
     FROM asking LEFT JOIN second_factors AS factor ON factor.user_id = asking.id \
     AND (factor.confirmed_at IS NOT NULL OR factor.created_at > now() - interval '1 hour')"
);

/// How an account's second factor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct Status {
    /// Since when it is on.
    pub confirmed_at: Option<OffsetDateTime>,
    /// Since when one waits for its first code.
    pub pending_since: Option<OffsetDateTime>,
    /// How many recovery codes are left.
    pub recovery_codes: i64,
}

struct Ask<'a> {
    asking: &'a CurrentSession,
    idle: diesel::data_types::PgInterval,
}

prepared!(Ask selects (Nullable<Timestamptz>, Nullable<Timestamptz>, Int8));

impl QueryFragment<Pg> for Ask<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "asking_session": SqlUuid = &self.asking.session.0,
            "asking_user": SqlUuid = &self.asking.user.0,
            "idle": Interval = &self.idle,
        );
        out.push_sql(STATUS);
        Ok(())
    }
}

/// How the caller's second factor stands. `None`: the session has ended.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn status(
    db: &Database,
    asking: &CurrentSession,
    policy: &SessionPolicy,
) -> Result<Option<Status>, Error> {
    let statement = Ask { asking, idle: interval(policy.idle) };
    db.run(async |connection| statement.get_result(connection).await.optional()).await
}
