//! The sessions in which somebody is logged in, newest first: one statement.

use database::{Database, Error};
use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Int8, Interval, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::statement::{interval, prepared, push_given};
use crate::sessions::{CurrentSession, SessionId, SessionPolicy};

const LIST: &str = concat!(include_str!("asking.sql"), include_str!("list.sql"));

struct List<'a> {
    asking: &'a CurrentSession,
    idle: PgInterval,
    after: Option<Uuid>,
    page: i64,
}

prepared!(List selects (SqlUuid, Nullable<Text>, Nullable<Text>, Timestamptz, Timestamptz, Timestamptz));

impl QueryFragment<Pg> for List<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "asking_session": SqlUuid = &self.asking.session.0,
            "asking_user": SqlUuid = &self.asking.user.0,
            "idle": Interval = &self.idle,
            "after": Nullable<SqlUuid> = &self.after,
            "page": Int8 = &self.page,
        );
        out.push_sql(LIST);
        Ok(())
    }
}

/// A live session as its owner tells it from the others.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Listed {
    /// Its id.
    pub id: SessionId,
    /// From where its tokens were last used.
    pub address: Option<String>,
    /// By what.
    pub user_agent: Option<String>,
    /// When it was opened.
    pub created_at: OffsetDateTime,
    /// When its token last changed.
    pub rotated_at: OffsetDateTime,
    /// When it is over whatever happens.
    pub expires_at: OffsetDateTime,
}

/// Up to `page` live sessions of the caller, older than `after`. The first page is empty only when the session that asks
/// has ended.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn list(
    db: &Database,
    asking: &CurrentSession,
    policy: &SessionPolicy,
    after: Option<Uuid>,
    page: i64,
) -> Result<Vec<Listed>, Error> {
    let statement = List { asking, idle: interval(policy.idle), after, page };
    db.run(async |connection| statement.load(connection).await).await
}
