//! A refresh: one statement that decides, moves the session on or ends it, and answers what the access token needs.
//!
//! `refresh.sql` and the function `refresh_otherwise` that it calls (newest in `migrations/auth`) say in SQL what
//! `sessions::refresh::decide` says in Rust; a property test holds them together. Edit all. The statement itself knows only
//! the rotation, because that is what is asked thousands of times a second; the function knows every case. When there is much
//! to do, `rotate_many.sql` asks the same for many.
//!
//! Why it is right under races: PostgreSQL judges the rotation's conditions again on the newest version of a row that
//! somebody else changed in the meantime. So of a hundred parallel refreshes one rotates, and for the others the function
//! looks again, on a snapshot of its own. There `seen` is judged on that snapshot and says only whether to write at all. What
//! is written is judged again, in `SET`, on the row as it is once its lock is held, while `seen` stays as it was. So the
//! others find the token they hold to be the previous one, within its grace. They leave the row as it is and read the
//! current generation off it.

use database::{Database, Error};
use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Bytea, Int4, Int8, Interval, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accounts::{Role, UserId};
use crate::db::statement::{interval, prepared, push_given};
use crate::sessions::{
    Amr, Continued, Delivery, Device, Ending, Refusal, Session, SessionId, SessionPolicy, Step,
};
use crate::tokens::refresh_token::{NonceHash, RefreshToken};

/// What became of a token that was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The session goes on.
    Continued(Box<Continued>),
    /// The token was an old one, and the session has just been ended for it.
    Ended(Ending),
    /// Nothing changed.
    Refused(Refusal),
}

const REFRESH: &str = include_str!("refresh.sql");

struct Refresh<'a> {
    token: &'a RefreshToken,
    nonce_hash: NonceHash,
    grace: PgInterval,
    idle: PgInterval,
    revoked_for: PgInterval,
    address: Option<String>,
    user_agent: Option<&'a str>,
    request_id: Option<&'a str>,
    audit_id: Uuid,
}

/// What a [`Row`] is read from.
pub(super) type Columns =
    (Text, SqlUuid, Text, Text, Int8, Timestamptz, Int4, Text, Array<Text>, Timestamptz, Timestamptz);

prepared!(Refresh selects Columns);

impl QueryFragment<Pg> for Refresh<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "session_id": SqlUuid = &self.token.session_id.0,
            "nonce_hash": Bytea = &self.nonce_hash.0,
            "delivery": Text = self.token.delivery.as_str(),
            "generation": Int8 = &self.token.generation,
            "grace": Interval = &self.grace,
            "idle": Interval = &self.idle,
            "revoked_for": Interval = &self.revoked_for,
            "address": Nullable<Text> = &self.address,
            "user_agent": Nullable<Text> = &self.user_agent,
            "request_id": Nullable<Text> = &self.request_id,
            "audit_id": SqlUuid = &self.audit_id,
        );
        out.push_sql(REFRESH);
        Ok(())
    }
}

/// The statement's one row.
#[derive(Queryable)]
pub(super) struct Row {
    outcome: Outcome,
    user: UserId,
    email: String,
    role: Role,
    generation: i64,
    rotated_at: OffsetDateTime,
    epoch: i32,
    delivery: Delivery,
    amr: Amr,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

/// The statement's word for what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::db) enum Outcome {
    Continued(Step),
    Ended(Ending),
    Refused(Refusal),
}

/// A word that the statement does not know.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no outcome of a refresh")]
pub(in crate::db) struct UnknownOutcome(String);

impl std::str::FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        Ok(match text {
            "rotated" => Self::Continued(Step::Rotated),
            "adopted" => Self::Continued(Step::Adopted),
            "repeated" => Self::Continued(Step::Repeated),
            "caught_up" => Self::Continued(Step::CaughtUp),
            "late_previous" => Self::Ended(Ending::LatePrevious),
            "stale_lineage" => Self::Ended(Ending::StaleLineage),
            "invalid_token" => Self::Refused(Refusal::InvalidToken),
            "session_ended" => Self::Refused(Refusal::SessionEnded),
            "session_expired" => Self::Refused(Refusal::SessionExpired),
            "account_disabled" => Self::Refused(Refusal::AccountDisabled),
            other => return Err(UnknownOutcome(other.to_owned())),
        })
    }
}

/// Presents a token that verified. A session that is not there has ended: only dead ones are purged.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn refresh(
    db: &Database,
    token: &RefreshToken,
    device: &Device,
    policy: &SessionPolicy,
) -> Result<Refreshed, Error> {
    db.hot(async |connection| present(connection, token, device, policy).await).await
}

/// The same on a connection, which may be in a transaction: its `now()` decides.
pub(in crate::db) async fn present(
    connection: &mut &AsyncPgConnection,
    token: &RefreshToken,
    device: &Device,
    policy: &SessionPolicy,
) -> QueryResult<Refreshed> {
    let row: Option<Row> = Refresh::new(token, device, policy).get_result(connection).await.optional()?;
    Ok(row.map_or(Refreshed::Refused(Refusal::SessionEnded), |row| refreshed(token.session_id, row)))
}

impl<'a> Refresh<'a> {
    fn new(token: &'a RefreshToken, device: &'a Device, policy: &SessionPolicy) -> Self {
        Self {
            token,
            nonce_hash: token.nonce.hash(),
            grace: interval(policy.grace),
            idle: interval(policy.idle),
            revoked_for: interval(policy.revoked_for()),
            address: device.address_text(),
            user_agent: device.user_agent.as_deref(),
            request_id: device.request_id.as_deref(),
            audit_id: Uuid::now_v7(),
        }
    }
}

pub(super) fn refreshed(id: SessionId, row: Row) -> Refreshed {
    let step = match row.outcome {
        Outcome::Continued(step) => step,
        Outcome::Ended(ending) => return Refreshed::Ended(ending),
        Outcome::Refused(refusal) => return Refreshed::Refused(refusal),
    };
    let session = Session {
        id,
        generation: row.generation,
        epoch: row.epoch,
        delivery: row.delivery,
        amr: row.amr,
        created_at: row.created_at,
        rotated_at: row.rotated_at,
        expires_at: row.expires_at,
    };
    Refreshed::Continued(Box::new(Continued {
        step,
        user: row.user,
        email: row.email,
        role: row.role,
        session,
    }))
}
