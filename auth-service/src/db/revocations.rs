//! `revocations`: read by each replica's feed. Rows are written by the statements that end or raise something.

use database::{Database, Error};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Int4, Int8, Nullable, Oid, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::database_incarnation;
use super::statement::prepared;
use crate::accounts::UserId;
use crate::revocations::{Incarnation, News, Revocation, Subject};
use crate::sessions::SessionId;

/// A snapshot that precedes every transaction.
const BEFORE_EVERYTHING: &str = "3:3:";

/// How far a reader has come: a snapshot, of one incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    incarnation: Incarnation,
    snapshot: String,
}

const READ: &str = include_str!("revocations.sql");

struct Read<'a> {
    after: &'a str,
}

type Columns = (
    Nullable<SqlUuid>,
    Oid,
    Text,
    Int8,
    Timestamptz,
    Nullable<Int8>,
    Nullable<Text>,
    Nullable<SqlUuid>,
    Nullable<SqlUuid>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Int4>,
    Nullable<Timestamptz>,
);

prepared!(Read selects Columns);

impl QueryFragment<Pg> for Read<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH given (after) AS NOT MATERIALIZED (SELECT ");
        out.push_bind_param::<Text, _>(self.after)?;
        out.push_sql(") ");
        out.push_sql(READ);
        Ok(())
    }
}

/// The head is the same in every row; without entries there is one row, and the rest of it is empty.
#[derive(Queryable)]
struct Row {
    incarnation: Option<Uuid>,
    database: u32,
    snapshot: String,
    xmin: i64,
    now: OffsetDateTime,
    xid: Option<i64>,
    kind: Option<String>,
    session_id: Option<Uuid>,
    user_id: Option<Uuid>,
    client_id: Option<String>,
    kid: Option<String>,
    least_epoch: Option<i32>,
    expires_at: Option<OffsetDateTime>,
}

/// Reads what has become visible since a position, or everything that is still relevant. One statement, and a few more
/// after the database has changed under the reader.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn read(db: &Database, after: Option<&Position>) -> Result<(News, Position), Error> {
    let snapshot = after.map_or(BEFORE_EVERYTHING, |position| &position.snapshot);
    let (news, position) = read_once(db, snapshot).await?;
    match after {
        Some(after) if after.incarnation != position.incarnation => read_once(db, BEFORE_EVERYTHING).await,
        _ => Ok((news, position)),
    }
}

async fn read_once(db: &Database, after: &str) -> Result<(News, Position), Error> {
    let mut rows = load(db, after).await?;
    if rows.as_slice().first().is_some_and(|row| row.incarnation.is_none()) {
        begin_incarnation(db).await?;
        rows = load(db, after).await?;
    }
    let head = rows.as_slice().first().and_then(|row| Some((row.incarnation?, row)));
    let Some((id, head)) = head else {
        // The row that was just put there is gone again: as good as a database that is away.
        return Err(Error::Statement(diesel::result::Error::NotFound));
    };
    let incarnation = Incarnation { id, database: head.database };
    let position = Position { incarnation, snapshot: head.snapshot.clone() };
    let (xmin, now) = (head.xmin.unsigned_abs(), head.now);
    let entries = rows.into_iter().filter_map(Row::entry).collect();
    Ok((News { incarnation, xmin, now, entries }, position))
}

async fn load(db: &Database, after: &str) -> Result<Vec<Row>, Error> {
    db.run(async |connection| Read { after }.load(connection).await).await
}

/// Of several that find none at the same time, one makes it.
async fn begin_incarnation(db: &Database) -> Result<(), Error> {
    let id = database_incarnation::id.eq(Uuid::now_v7());
    let first = diesel::insert_into(database_incarnation::table).values(id).on_conflict_do_nothing();
    db.run(async |connection| first.execute(connection).await).await.map(|_rows| ())
}

impl Row {
    /// `None` when the row is nothing but the head. The table's own check says which columns go with which kind.
    fn entry(self) -> Option<(u64, Revocation)> {
        let subject = match self.kind?.as_str() {
            "session" => Subject::Session(SessionId(self.session_id?)),
            "user" => Subject::User(UserId(self.user_id?)),
            "client" => Subject::Client(self.client_id?.into()),
            "key" => Subject::Key(self.kid?.into()),
            _ => return None,
        };
        let least_epoch = self.least_epoch.unwrap_or_default();
        let revocation = Revocation { subject, least_epoch, expires_at: self.expires_at? };
        Some((self.xid?.unsigned_abs(), revocation))
    }
}
