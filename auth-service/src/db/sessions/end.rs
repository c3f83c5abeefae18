//! A logout: the session ends and its audit row is written, in one statement.

use database::{Database, Error};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Bytea, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::accounts::UserId;
use crate::db::statement::{prepared, push_given};
use crate::sessions::Device;
use crate::tokens::refresh_token::{NonceHash, RefreshToken};

const END: &str = include_str!("end.sql");

struct End<'a> {
    session_id: Uuid,
    nonce_hash: NonceHash,
    device: &'a Device,
    address: Option<String>,
    audit_id: Uuid,
}

prepared!(End selects SqlUuid);

impl QueryFragment<Pg> for End<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "session_id": SqlUuid = &self.session_id,
            "nonce_hash": Bytea = &self.nonce_hash.0,
            "address": Nullable<Text> = &self.address,
            "user_agent": Nullable<Text> = &self.device.user_agent,
            "audit_id": SqlUuid = &self.audit_id,
        );
        out.push_sql(END);
        Ok(())
    }
}

/// Ends the session of a token that verified, whatever its generation: who holds one may always throw it away.
///
/// The answer is whose session ended; `None` when it had ended before, or is gone. Both are a logout.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn end(db: &Database, token: &RefreshToken, device: &Device) -> Result<Option<UserId>, Error> {
    let statement = End {
        session_id: token.session_id.0,
        nonce_hash: token.nonce.hash(),
        device,
        address: device.address_text(),
        audit_id: Uuid::now_v7(),
    };
    db.run(async |connection| statement.get_result(connection).await.optional()).await
}
