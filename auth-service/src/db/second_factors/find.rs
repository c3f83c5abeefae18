//! What somebody has enrolled, for whoever is to judge a code of it.

use database::{Database, Error};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Bool, Bytea, Int8, Interval, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::statement::{interval, prepared, push_given};
use crate::second_factor::{Factor, FactorId, SealedSecret};
use crate::sessions::{CurrentSession, SessionPolicy};
use crate::tokens::root::SecretId;

const FIND: &str = concat!(
    include_str!("../sessions/asking.sql"),
    "SELECT now(), factor.id, factor.secret_id, factor.sealed, factor.confirmed_at IS NOT NULL, factor.last_step \
     FROM asking LEFT JOIN second_factors AS factor ON factor.user_id = asking.id \
     AND (factor.confirmed_at IS NOT NULL OR factor.created_at > now() - interval '1 hour')"
);

/// The columns of [`FactorRow`].
pub(super) type FactorColumns = (SqlUuid, Bytea, Bytea, Bool, Nullable<Int8>);

/// A factor as it is read.
#[derive(Queryable)]
pub(super) struct FactorRow {
    id: Uuid,
    secret_id: Vec<u8>,
    sealed: Vec<u8>,
    is_confirmed: bool,
    last_step: Option<i64>,
}

impl FactorRow {
    /// `None` never happens: the table checks the length of the name.
    pub(super) fn factor(self) -> Option<Factor> {
        let secret_id = SecretId::from_slice(&self.secret_id)?;
        let secret = SealedSecret { secret_id, bytes: self.sealed };
        let (id, is_confirmed, last_step) = (FactorId(self.id), self.is_confirmed, self.last_step);
        Some(Factor { id, secret, is_confirmed, last_step })
    }
}

/// What the caller has enrolled.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// It, if anything.
    pub factor: Option<Factor>,
    /// The database's time.
    pub now: OffsetDateTime,
}

struct Find<'a> {
    asking: &'a CurrentSession,
    idle: diesel::data_types::PgInterval,
}

prepared!(Find selects (Timestamptz, Nullable<FactorColumns>));

impl QueryFragment<Pg> for Find<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "asking_session": SqlUuid = &self.asking.session.0,
            "asking_user": SqlUuid = &self.asking.user.0,
            "idle": Interval = &self.idle,
        );
        out.push_sql(FIND);
        Ok(())
    }
}

/// What the caller has enrolled. `None`: the session has ended.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn find(
    db: &Database,
    asking: &CurrentSession,
    policy: &SessionPolicy,
) -> Result<Option<Enrolled>, Error> {
    let statement = Find { asking, idle: interval(policy.idle) };
    let found: Option<(OffsetDateTime, Option<FactorRow>)> =
        db.run(async |connection| statement.get_result(connection).await.optional()).await?;
    Ok(found.map(|(now, row)| Enrolled { factor: row.and_then(FactorRow::factor), now }))
}
