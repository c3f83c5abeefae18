//! Many rotations in one statement: one plan, one commit, one answer for all of them.
//!
//! It knows the rotation and nothing else. A token that it does not rotate is asked about alone, see [`super::refresh`], so
//! that whatever takes more than its own row's lock stays out of a statement that others stand on.

use std::collections::HashMap;

use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Bytea, Int8, Interval, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::refresh::{Columns, Refreshed, Row, refreshed};
use crate::db::statement::{interval, prepared, push_given};
use crate::sessions::{Device, SessionId, SessionPolicy};
use crate::tokens::refresh_token::RefreshToken;

/// A token that verified, and who presents it.
#[derive(Debug, Clone)]
pub(in crate::db) struct Asked {
    pub(in crate::db) token: RefreshToken,
    pub(in crate::db) device: Device,
}

const ROTATE_MANY: &str = include_str!("rotate_many.sql");

/// A column for each thing that is asked with, so that the statement is the same for any number of tokens.
struct RotateMany<'a> {
    session_ids: Vec<Uuid>,
    nonce_hashes: Vec<[u8; 32]>,
    deliveries: Vec<&'static str>,
    generations: Vec<i64>,
    addresses: Vec<Option<String>>,
    user_agents: Vec<Option<&'a str>>,
    grace: PgInterval,
    idle: PgInterval,
}

prepared!(RotateMany selects (SqlUuid, Columns));

impl QueryFragment<Pg> for RotateMany<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "session_ids": Array<SqlUuid> = &self.session_ids,
            "nonce_hashes": Array<Bytea> = &self.nonce_hashes,
            "deliveries": Array<Text> = &self.deliveries,
            "generations": Array<Int8> = &self.generations,
            "addresses": Array<Nullable<Text>> = &self.addresses,
            "user_agents": Array<Nullable<Text>> = &self.user_agents,
            "grace": Interval = &self.grace,
            "idle": Interval = &self.idle,
        );
        out.push_sql(ROTATE_MANY);
        Ok(())
    }
}

impl<'a> RotateMany<'a> {
    fn new(asked: &[&'a Asked], policy: &SessionPolicy) -> Self {
        Self {
            session_ids: asked.iter().map(|asked| asked.token.session_id.0).collect(),
            nonce_hashes: asked.iter().map(|asked| asked.token.nonce.hash().0).collect(),
            deliveries: asked.iter().map(|asked| asked.token.delivery.as_str()).collect(),
            generations: asked.iter().map(|asked| asked.token.generation).collect(),
            addresses: asked.iter().map(|asked| asked.device.address_text()).collect(),
            user_agents: asked.iter().map(|asked| asked.device.user_agent.as_deref()).collect(),
            grace: interval(policy.grace),
            idle: interval(policy.idle),
        }
    }
}

/// Rotates what is to be rotated, and says of which sessions that is true. `asked` is in the order of the sessions' ids, each
/// of which is there once.
pub(in crate::db) async fn rotate_many(
    connection: &mut &AsyncPgConnection,
    asked: &[&Asked],
    policy: &SessionPolicy,
) -> QueryResult<HashMap<SessionId, Refreshed>> {
    let rows: Vec<(SessionId, Row)> = RotateMany::new(asked, policy).load(connection).await?;
    Ok(rows.into_iter().map(|(id, row)| (id, refreshed(id, row))).collect())
}
