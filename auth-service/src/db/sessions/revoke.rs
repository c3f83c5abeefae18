//! A session, ended by a client that has one of its tokens: the end, its revocation and its audit row, in one statement.

use database::{Database, Error};
use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Bytea, Interval, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::accounts::UserId;
use crate::clients::ClientId;
use crate::db::statement::{interval, prepared, push_given};
use crate::sessions::{Device, SessionId, SessionPolicy};
use crate::tokens::refresh_token::NonceHash;

const REVOKE: &str = include_str!("revoke.sql");

struct Revoke<'a> {
    session_id: SessionId,
    user_id: Option<Uuid>,
    nonce_hash: Option<&'a [u8]>,
    client_id: &'a str,
    revoked_for: PgInterval,
    device: &'a Device,
    address: Option<String>,
    audit_id: Uuid,
}

prepared!(Revoke selects SqlUuid);

impl QueryFragment<Pg> for Revoke<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "session_id": SqlUuid = &self.session_id.0,
            "user_id": Nullable<SqlUuid> = &self.user_id,
            "nonce_hash": Nullable<Bytea> = &self.nonce_hash,
            "client_id": Text = self.client_id,
            "revoked_for": Interval = &self.revoked_for,
            "address": Nullable<Text> = &self.address,
            "user_agent": Nullable<Text> = &self.device.user_agent,
            "audit_id": SqlUuid = &self.audit_id,
        );
        out.push_sql(REVOKE);
        Ok(())
    }
}

/// What a token says about the session that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// An access token: whose it is.
    Owner(UserId),
    /// A refresh token: what only its holder knows.
    Nonce(NonceHash),
}

/// Ends the session of a token that verified. The answer is whose it was; `None` when it had ended before, or is gone.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn revoke(
    db: &Database,
    session: SessionId,
    proof: &Proof,
    by: &ClientId,
    device: &Device,
    policy: &SessionPolicy,
) -> Result<Option<UserId>, Error> {
    let (user_id, nonce_hash) = match proof {
        Proof::Owner(user) => (Some(user.0), None),
        Proof::Nonce(hash) => (None, Some(hash.0.as_slice())),
    };
    let statement = Revoke {
        session_id: session,
        user_id,
        nonce_hash,
        client_id: by.as_str(),
        revoked_for: interval(policy.revoked_for()),
        device,
        address: device.address_text(),
        audit_id: Uuid::now_v7(),
    };
    db.hot(async |connection| statement.get_result(connection).await.optional()).await
}
