//! One session, ended by its owner from another: the end, its revocation and its audit row, in one statement.

use database::{Database, Error};
use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Bool, Interval, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::db::statement::{interval, prepared, push_given};
use crate::sessions::{CurrentSession, Device, SessionId, SessionPolicy};

const END_ONE: &str = concat!(include_str!("asking.sql"), include_str!("end_one.sql"));

struct EndOne<'a> {
    asking: &'a CurrentSession,
    idle: PgInterval,
    session_id: SessionId,
    revoked_for: PgInterval,
    device: &'a Device,
    address: Option<String>,
    audit_id: Uuid,
}

prepared!(EndOne selects Bool);

impl QueryFragment<Pg> for EndOne<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "asking_session": SqlUuid = &self.asking.session.0,
            "asking_user": SqlUuid = &self.asking.user.0,
            "idle": Interval = &self.idle,
            "session_id": SqlUuid = &self.session_id.0,
            "revoked_for": Interval = &self.revoked_for,
            "address": Nullable<Text> = &self.address,
            "user_agent": Nullable<Text> = &self.device.user_agent,
            "request_id": Nullable<Text> = &self.device.request_id,
            "audit_id": SqlUuid = &self.audit_id,
        );
        out.push_sql(END_ONE);
        Ok(())
    }
}

/// What became of the wish to end a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedOne {
    /// It is over, now or since before.
    Ended,
    /// The caller has no such session.
    NotTheirs,
    /// The session that asks is over itself.
    NotAsked,
}

/// Ends a session of the caller's.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn end_one(
    db: &Database,
    asking: &CurrentSession,
    session: SessionId,
    device: &Device,
    policy: &SessionPolicy,
) -> Result<EndedOne, Error> {
    let statement = EndOne {
        asking,
        idle: interval(policy.idle),
        session_id: session,
        revoked_for: interval(policy.revoked_for()),
        device,
        address: device.address_text(),
        audit_id: Uuid::now_v7(),
    };
    let theirs: Option<bool> =
        db.run(async |connection| statement.get_result(connection).await.optional()).await?;
    Ok(match theirs {
        Some(true) => EndedOne::Ended,
        Some(false) => EndedOne::NotTheirs,
        None => EndedOne::NotAsked,
    })
}
