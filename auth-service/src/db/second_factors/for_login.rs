//! The first statement of a login's second step: it counts the attempt and loads what the code is judged by.

use database::{Database, Error};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Bool, Bytea, Int4, Interval, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use time::OffsetDateTime;
use uuid::Uuid;

use super::find::{FactorColumns, FactorRow};
use crate::accounts::UserId;
use crate::db::statement::{prepared, push_given};
use crate::db::throttles::{Rules, ThrottledColumns, ThrottledRow, counted};
use crate::db::users::{Credentials, CredentialsColumns, CredentialsRow};
use crate::second_factor::{Factor, RecoveryHash};
use crate::throttle::{Attempt, Refund, Throttled};

const FIND: &str = include_str!("for_login.sql");

/// What the second step of a login stands on.
#[derive(Debug)]
pub struct FoundForLogin {
    /// The account and its second factor, if both are there.
    pub account: Option<(Credentials, Factor)>,
    /// Whether the recovery code that was shown is one of the account's.
    pub has_recovery_code: bool,
    /// The database's time.
    pub now: OffsetDateTime,
    /// What to take back if the attempt does not fail; or that it may not be made.
    pub counted: Result<Refund, Throttled>,
}

struct Find<'a> {
    user_id: Uuid,
    recovery_hash: Option<&'a [u8]>,
    rules: Rules<'a>,
    own_rules: i32,
    addresses: Vec<&'a [u8]>,
}

type Columns = (
    Nullable<CredentialsColumns>,
    Nullable<FactorColumns>,
    Timestamptz,
    Bool,
    Bool,
    Nullable<ThrottledColumns>,
);

type Row = (Option<CredentialsRow>, Option<FactorRow>, OffsetDateTime, bool, bool, Option<ThrottledRow>);

prepared!(Find selects Columns);

impl QueryFragment<Pg> for Find<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "user_id": SqlUuid = &self.user_id,
            "recovery_hash": Nullable<Bytea> = &self.recovery_hash,
            "keys": Array<Bytea> = &self.rules.keys,
            "allowed": Array<Int4> = &self.rules.allowed,
            "windows": Array<Interval> = &self.rules.windows,
            "longest": Array<Nullable<Interval>> = &self.rules.longest,
            "own_rules": Int4 = &self.own_rules,
            "addresses": Array<Bytea> = &self.addresses,
        );
        out.push_sql(FIND);
        Ok(())
    }
}

/// Counts an attempt at a code and loads what it is about.
///
/// # Errors
/// [`Error`] when the database is away or fails: then nobody is let in.
pub async fn find_for_login(
    db: &Database,
    user: UserId,
    recovery_code: Option<&RecoveryHash>,
    attempt: &Attempt<'_>,
) -> Result<FoundForLogin, Error> {
    let rules = Rules::of(&attempt.rules);
    let statement = Find {
        user_id: user.0,
        recovery_hash: recovery_code.map(|hash| hash.0.as_slice()),
        own_rules: attempt.own_rules(),
        rules,
        addresses: attempt.addresses.iter().map(|address| address.as_bytes()).collect(),
    };
    let (credentials, factor, now, has_recovery_code, is_known, throttled): Row =
        db.hot(async |connection| statement.get_result(connection).await).await?;
    let factor = factor.and_then(FactorRow::factor);
    Ok(FoundForLogin {
        account: credentials.map(CredentialsRow::credentials).zip(factor),
        has_recovery_code,
        now,
        counted: counted(attempt, is_known, throttled),
    })
}
