//! A logout: the session ends, and that is announced and audited, in one statement.

use database::{Database, Error};
use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Bytea, Interval, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::accounts::UserId;
use crate::db::statement::{interval, prepared, push_given};
use crate::sessions::{Device, SessionPolicy};
use crate::tokens::refresh_token::{NonceHash, RefreshToken};

const LOG_OUT: &str = include_str!("log_out.sql");

struct LogOut<'a> {
    session_id: Uuid,
    nonce_hash: NonceHash,
    revoked_for: PgInterval,
    device: &'a Device,
    address: Option<String>,
    audit_id: Uuid,
}

prepared!(LogOut selects SqlUuid);

impl QueryFragment<Pg> for LogOut<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "session_id": SqlUuid = &self.session_id,
            "nonce_hash": Bytea = &self.nonce_hash.0,
            "revoked_for": Interval = &self.revoked_for,
            "address": Nullable<Text> = &self.address,
            "user_agent": Nullable<Text> = &self.device.user_agent,
            "request_id": Nullable<Text> = &self.device.request_id,
            "audit_id": SqlUuid = &self.audit_id,
        );
        out.push_sql(LOG_OUT);
        Ok(())
    }
}

/// Ends the session of a token that verified, whatever its generation: who holds one may always throw it away.
///
/// The answer is whose session ended; `None` when it had ended before, or is gone. Both are a logout.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn log_out(
    db: &Database,
    token: &RefreshToken,
    device: &Device,
    policy: &SessionPolicy,
) -> Result<Option<UserId>, Error> {
    let statement = LogOut {
        session_id: token.session_id.0,
        nonce_hash: token.nonce.hash(),
        revoked_for: interval(policy.revoked_for()),
        device,
        address: device.address_text(),
        audit_id: Uuid::now_v7(),
    };
    db.hot(async |connection| statement.get_result(connection).await.optional()).await
}
