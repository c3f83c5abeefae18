//! `outbox`: mails that wait to be sent, and for a while those that were.
//!
//! A mail is claimed by one replica until its lease is over, so that none is sent twice while that replica lives, and none is
//! forgotten when it does not.

use std::time::Duration;

use database::{Database, Error};
use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{
    Array, BigInt, Bool, Bytea, Double, Int4, Interval, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::outbox;
use super::statement::{interval, prepared, push_given};
use crate::accounts::UserId;
use crate::mail::{Kind, Notice, Queued};
use crate::tokens::root::SecretId;
use crate::tokens::sealing::Sealed;

const CLAIM: &str = include_str!("outbox/claim.sql");
const SETTLE: &str = include_str!("outbox/settle.sql");

/// Who claims: a process, for as long as it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimant(Uuid);

impl Claimant {
    /// One unlike all others.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for Claimant {
    fn default() -> Self {
        Self::new()
    }
}

/// A mail that is ours to send.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The mail.
    pub mail: Queued,
    /// Which attempt this is, from 1.
    pub attempts: u32,
    /// Whether it still says something that is true.
    pub is_wanted: bool,
}

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A server took it.
    Sent,
    /// A server never will.
    Refused,
    /// It was no use any more.
    Expired,
    /// It could not be written: its token does not open, or its recipient is no address.
    Unreadable,
}

impl Outcome {
    /// The outcome as the database and metrics spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Unreadable => "unreadable",
        }
    }
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// Whether an account is told of something: it has a verified address, and was not told too often.
    fn may_be_told(account: SqlUuid, about: Text) -> Bool;
}

/// Puts a mail without a token into the outbox, in the transaction of what it tells; or not, where nobody is to be told (see the
/// migration `notices`).
pub(super) async fn insert(
    connection: &mut AsyncPgConnection,
    notice: &Notice,
    user: UserId,
    recipient: &str,
    detail: Value,
) -> QueryResult<()> {
    let ask = diesel::select(may_be_told(user.0, notice.kind.as_str()));
    if !ask.get_result::<bool>(connection).await? {
        return Ok(());
    }
    let values = (
        outbox::detail.eq(detail),
        outbox::id.eq(notice.id),
        outbox::kind.eq(notice.kind.as_str()),
        outbox::user_id.eq(user.0),
        outbox::recipient.eq(recipient),
        outbox::expires_at.eq(from_now(notice.lifetime)),
    );
    diesel::insert_into(outbox::table).values(values).execute(connection).await.map(drop)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn from_now(duration: Duration) -> _ {
    let duration: PgInterval = interval(duration);
    diesel::dsl::now.into_sql::<Timestamptz>() + duration.into_sql::<Interval>()
}

struct Claim<'a> {
    claimant: &'a Uuid,
    lease: PgInterval,
    at_most: i64,
    kinds: [&'static str; Kind::ALL.len()],
}

prepared!(Claim selects (RowColumns, Int4, Bool));

impl QueryFragment<Pg> for Claim<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "claim": SqlUuid = self.claimant,
            "lease": Interval = &self.lease,
            "at_most": BigInt = &self.at_most,
            "kinds": Array<Text> = self.kinds.as_slice(),
        );
        out.push_sql(CLAIM);
        Ok(())
    }
}

/// Claims up to so many mails that are due, until `lease` has passed.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn claim(
    db: &Database,
    claimant: Claimant,
    lease: Duration,
    at_most: usize,
) -> Result<Vec<Claimed>, Error> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let statement =
        Claim { claimant: &claimant.0, lease: interval(lease), at_most, kinds: Kind::ALL.map(Kind::as_str) };
    let rows: Vec<(Row, i32, bool)> = db.run(async |connection| statement.load(connection).await).await?;
    let claimed = |(row, attempts, is_wanted): (Row, i32, bool)| Claimed {
        mail: queued(row),
        attempts: u32::try_from(attempts).unwrap_or(1),
        is_wanted,
    };
    Ok(rows.into_iter().map(claimed).collect())
}

struct Settle<'a> {
    mail: &'a Uuid,
    claimant: &'a Uuid,
    outcome: Outcome,
    reason: &'a str,
    keeps_token: bool,
    audit_id: Uuid,
}

prepared!(Settle selects ());

impl QueryFragment<Pg> for Settle<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "mail_id": SqlUuid = self.mail,
            "claim": SqlUuid = self.claimant,
            "outcome": Text = self.outcome.as_str(),
            "reason": Text = self.reason,
            "keeps_token": Bool = &self.keeps_token,
            "audit_id": SqlUuid = &self.audit_id,
        );
        out.push_sql(SETTLE);
        Ok(())
    }
}

/// Notes what became of a mail that is ours, and why if it was not sent. Its token goes, unless the mailbox of development is to
/// show it.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn settle(
    db: &Database,
    claimant: Claimant,
    mail: Uuid,
    (outcome, reason): (Outcome, &str),
    keeps_token: bool,
) -> Result<(), Error> {
    let audit_id = Uuid::now_v7();
    let statement = Settle { mail: &mail, claimant: &claimant.0, outcome, reason, keeps_token, audit_id };
    db.run(async |connection| statement.execute(connection).await).await.map(drop)
}

/// Puts a mail that is ours off.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn defer(db: &Database, claimant: Claimant, mail: Uuid, pause: Duration) -> Result<(), Error> {
    let ours = outbox::table
        .filter(outbox::id.eq(mail))
        .filter(outbox::claim.eq(claimant.0))
        .filter(outbox::settled_at.is_null());
    let due_at = outbox::due_at.eq(from_now(pause));
    db.run(async |connection| diesel::update(ours).set(due_at).execute(connection).await).await.map(drop)
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, QueryableByName)]
pub struct Backlog {
    /// How many mails.
    #[diesel(sql_type = BigInt)]
    pub waiting: i64,
    /// For how long the oldest has.
    #[diesel(sql_type = Double)]
    pub oldest_seconds: f64,
}

/// How much waits.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn backlog(db: &Database) -> Result<Backlog, Error> {
    let ask = "SELECT count(*) AS waiting, \
               coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_seconds \
               FROM outbox WHERE settled_at IS NULL";
    db.run(async |connection| diesel::sql_query(ask).get_result(connection).await).await
}

/// The newest mails that were sent, for the mailbox of development.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn newest_sent(db: &Database, at_most: i64) -> Result<Vec<Queued>, Error> {
    let sent = outbox::table
        .filter(outbox::outcome.eq(Outcome::Sent.as_str()))
        .order(outbox::id.desc())
        .limit(at_most)
        .select((
            outbox::id,
            outbox::kind,
            outbox::recipient,
            outbox::detail,
            outbox::secret_id,
            outbox::sealed,
            outbox::created_at,
        ));
    let rows: Vec<Row> = db.run(async |connection| sent.load(connection).await).await?;
    Ok(rows.into_iter().map(queued).collect())
}

type Row = (Uuid, Kind, String, Value, Option<Vec<u8>>, Option<Vec<u8>>, OffsetDateTime);
type RowColumns = (SqlUuid, Text, Text, Jsonb, Nullable<Bytea>, Nullable<Bytea>, Timestamptz);

fn queued((id, kind, recipient, detail, secret_id, sealed, created_at): Row) -> Queued {
    let secret_id = secret_id.as_deref().and_then(SecretId::from_slice);
    let sealed = secret_id.zip(sealed).map(|(secret_id, bytes)| Sealed { secret_id, bytes });
    Queued { id, kind, recipient, detail, sealed, created_at }
}
