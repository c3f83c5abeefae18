//! The password was right and a second factor is asked for: that is on record, the attempt at the password is taken back, and
//! a better hash of it is stored. One statement.

use database::{Database, Error};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Bool, Bytea, Int4, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use secret::Secret;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accounts::UserId;
use crate::db::statement::{prepared, push_given};
use crate::db::throttles::Rules;
use crate::sessions::Device;
use crate::throttle::Refund;

const RECORD: &str = include_str!("required.sql");

/// A password that was right.
#[derive(Debug)]
pub struct RightPassword<'a> {
    /// Whose.
    pub user: UserId,
    /// The hash that it was compared with.
    pub verified: &'a Secret<String>,
    /// The same password under today's cost, when that hash was cheaper.
    pub rehashed: Option<&'a Secret<String>>,
    /// The attempt that did not fail.
    pub refund: &'a Refund,
    /// From where.
    pub device: &'a Device,
}

/// How things stand afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The database's time.
    pub now: OffsetDateTime,
    /// Whether the better hash is the account's now.
    pub is_rehashed: bool,
}

struct Record<'a> {
    password: &'a RightPassword<'a>,
    rehashed: Option<&'a str>,
    refund: Rules<'a>,
    address: Option<String>,
    audit_id: Uuid,
}

prepared!(Record selects (Timestamptz, Bool));

impl QueryFragment<Pg> for Record<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "user_id": SqlUuid = &self.password.user.0,
            "verified": Text = self.password.verified.expose(),
            "rehashed": Nullable<Text> = &self.rehashed,
            "refunded": Array<Bytea> = &self.refund.keys,
            "allowed": Array<Int4> = &self.refund.allowed,
            "cleared": Array<Bool> = &self.refund.own,
            "address": Nullable<Text> = &self.address,
            "user_agent": Nullable<Text> = &self.password.device.user_agent,
            "request_id": Nullable<Text> = &self.password.device.request_id,
            "audit_id": SqlUuid = &self.audit_id,
        );
        out.push_sql(RECORD);
        Ok(())
    }
}

/// Records that a second factor was asked for.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn record_required(db: &Database, password: &RightPassword<'_>) -> Result<Recorded, Error> {
    let statement = Record {
        rehashed: password.rehashed.map(|hash| hash.expose().as_str()),
        refund: Rules::of(&password.refund.0),
        address: password.device.address_text(),
        audit_id: Uuid::now_v7(),
        password,
    };
    let (now, is_rehashed) = db.hot(async |connection| statement.get_result(connection).await).await?;
    Ok(Recorded { now, is_rehashed })
}
