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
use super::statement::{prepared, push_given};
use crate::accounts::UserId;
use crate::revocations::{Cursor, Incarnation, News, Revocation, Subject};
use crate::sessions::SessionId;

/// A snapshot that precedes every transaction.
const BEFORE_EVERYTHING: &str = "3:3:";
/// The LIMIT of the statement.
const PAGE: usize = 10_000;

/// How far a reader has come: a snapshot, of one incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    cursor: Cursor,
    snapshot: String,
}

const READ: &str = include_str!("revocations.sql");

struct Read<'a> {
    after: &'a str,
    beyond: i64,
}

type Columns = (
    Nullable<SqlUuid>,
    Oid,
    Text,
    Int8,
    Timestamptz,
    Nullable<Int8>,
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
        push_given!(out, "after": Text = self.after, "beyond": Int8 = &self.beyond);
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
    id: Option<i64>,
    xid: Option<i64>,
    kind: Option<String>,
    session_id: Option<Uuid>,
    user_id: Option<Uuid>,
    client_id: Option<String>,
    kid: Option<String>,
    least_epoch: Option<i32>,
    expires_at: Option<OffsetDateTime>,
}

#[cfg(test)]
impl Position {
    /// So many transactions further on.
    pub(in crate::db) fn later(&self, transactions: u64) -> Self {
        let xmin = self.cursor.xmin + transactions;
        Self { cursor: Cursor { xmin, ..self.cursor }, snapshot: format!("{xmin}:{xmin}:") }
    }
}

/// Reads what has become visible since a position, or everything that is still relevant. One statement, unless there is a
/// flood to be read or the database has changed under the reader or gone back in time.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn read(db: &Database, after: Option<&Position>) -> Result<(News, Position), Error> {
    let snapshot = after.map_or(BEFORE_EVERYTHING, |position| &position.snapshot);
    let (news, position) = read_after(db, snapshot).await?;
    match after {
        Some(after) if !position.cursor.may_follow(after.cursor) => read_after(db, BEFORE_EVERYTHING).await,
        _ => Ok((news, position)),
    }
}

/// Page by page, so that no statement takes long. What the first page's snapshot saw is on one of the pages; what it did not
/// see may be missing here, and the next read will ask for it.
async fn read_after(db: &Database, after: &str) -> Result<(News, Position), Error> {
    let (head, mut rows) = read_page(db, after, 0).await?;
    let mut entries = Vec::new();
    loop {
        let last = rows.last().and_then(|row| row.id).filter(|_| rows.len() >= PAGE);
        entries.extend(rows.into_iter().filter_map(Row::entry));
        let Some(last) = last else { break };
        let (again, next) = read_page(db, after, last).await?;
        if again.incarnation != head.incarnation {
            return Err(Error::Statement(diesel::result::Error::NotFound));
        }
        rows = next;
    }
    let Head { incarnation, snapshot, xmin, now } = head;
    let position = Position { cursor: Cursor { incarnation, xmin }, snapshot };
    Ok((News { incarnation, xmin, now, entries }, position))
}

/// What is the same in every row of a page.
struct Head {
    incarnation: Incarnation,
    snapshot: String,
    xmin: u64,
    now: OffsetDateTime,
}

/// At least one row.
async fn read_page(db: &Database, after: &str, beyond: i64) -> Result<(Head, Vec<Row>), Error> {
    let mut rows = load(db, after, beyond).await?;
    if rows.as_slice().first().is_some_and(|row| row.incarnation.is_none()) {
        begin_incarnation(db).await?;
        rows = load(db, after, beyond).await?;
    }
    let head = rows.as_slice().first().and_then(Row::head);
    // The row that was just put there is gone again: the next read will see.
    let head = head.ok_or(Error::Statement(diesel::result::Error::NotFound))?;
    Ok((head, rows))
}

async fn load(db: &Database, after: &str, beyond: i64) -> Result<Vec<Row>, Error> {
    db.run(async |connection| Read { after, beyond }.load(connection).await).await
}

/// Of several that find none at the same time, one makes it.
async fn begin_incarnation(db: &Database) -> Result<(), Error> {
    let id = database_incarnation::id.eq(Uuid::now_v7());
    let first = diesel::insert_into(database_incarnation::table).values(id).on_conflict_do_nothing();
    db.run(async |connection| first.execute(connection).await).await.map(|_rows| ())
}

impl Row {
    fn head(&self) -> Option<Head> {
        Some(Head {
            incarnation: Incarnation { id: self.incarnation?, database: self.database },
            snapshot: self.snapshot.clone(),
            xmin: self.xmin.unsigned_abs(),
            now: self.now,
        })
    }

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
