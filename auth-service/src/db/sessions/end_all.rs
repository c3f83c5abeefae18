//! What a raised epoch leaves behind: tombstones, the one revocation that covers them all, and the audit row.

use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Int4, Interval, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::accounts::UserId;
use crate::db::audit::Kind;
use crate::db::statement::{interval, prepared, push_given};
use crate::sessions::{Device, EndReason, SessionId, SessionPolicy};

const END_ALL: &str = include_str!("end_all.sql");

/// All sessions of an account whose epoch has just been raised to `epoch`.
pub(in crate::db) struct EndAll<'a> {
    pub(in crate::db) user: UserId,
    pub(in crate::db) epoch: i32,
    /// The one that is raised with the account, if one is.
    pub(in crate::db) kept: Option<SessionId>,
    pub(in crate::db) reason: EndReason,
    pub(in crate::db) kind: Kind,
    /// In which of the account's sessions it was asked for, if in one.
    pub(in crate::db) session: Option<SessionId>,
    /// Who does it, when that is not the owner.
    pub(in crate::db) actor: Option<UserId>,
    pub(in crate::db) device: &'a Device,
    pub(in crate::db) detail: Value,
}

struct Statement<'a> {
    all: &'a EndAll<'a>,
    kept: Option<Uuid>,
    session: Option<Uuid>,
    actor: Option<Uuid>,
    revoked_for: PgInterval,
    address: Option<String>,
    audit_id: Uuid,
}

prepared!(Statement selects ());

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "user_id": SqlUuid = &self.all.user.0,
            "epoch": Int4 = &self.all.epoch,
            "kept_session": Nullable<SqlUuid> = &self.kept,
            "reason": Text = self.all.reason.as_str(),
            "revoked_for": Interval = &self.revoked_for,
            "kind": Text = self.all.kind.as_str(),
            "session_id": Nullable<SqlUuid> = &self.session,
            "actor_id": Nullable<SqlUuid> = &self.actor,
            "address": Nullable<Text> = &self.address,
            "user_agent": Nullable<Text> = &self.all.device.user_agent,
            "request_id": Nullable<Text> = &self.all.device.request_id,
            "detail": Jsonb = &self.all.detail,
            "audit_id": SqlUuid = &self.audit_id,
        );
        out.push_sql(END_ALL);
        Ok(())
    }
}

/// Writes all of it, in the transaction of `connection`.
pub(in crate::db) async fn end_all(
    connection: &mut AsyncPgConnection,
    all: &EndAll<'_>,
    policy: &SessionPolicy,
) -> QueryResult<()> {
    let statement = Statement {
        all,
        kept: all.kept.map(|kept| kept.0),
        session: all.session.map(|session| session.0),
        actor: all.actor.map(|actor| actor.0),
        revoked_for: interval(policy.revoked_for()),
        address: all.device.address_text(),
        audit_id: Uuid::now_v7(),
    };
    statement.execute(connection).await.map(|_rows| ())
}
