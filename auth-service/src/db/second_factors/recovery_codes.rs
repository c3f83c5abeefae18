//! Another set of recovery codes, in the place of the one before.

use database::{Database, Error};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Bytea};
use diesel_async::RunQueryDsl;
use secret::Secret;

use super::asked::{Binds, Change, OutcomeColumns, push_asked};
use crate::db::epochs::Asked;
use crate::db::statement::{prepared, push_given};
use crate::mail::Notice;
use crate::second_factor::RecoveryHash;

const REPLACE: &str = concat!(include_str!("../sessions/asking.sql"), include_str!("recovery_codes.sql"));

struct Replace<'a> {
    binds: Binds<'a>,
    hashes: Vec<&'a [u8]>,
}

prepared!(Replace selects OutcomeColumns);

impl QueryFragment<Pg> for Replace<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_asked!(out, self.binds, "hashes": Array<Bytea> = &self.hashes);
        out.push_sql(REPLACE);
        Ok(())
    }
}

/// Replaces the set. [`Change::Unfit`]: the account has no second factor.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn replace_recovery_codes(
    db: &Database,
    asked: &Asked<'_>,
    verified: &Secret<String>,
    codes: &[RecoveryHash],
    notice: Option<&Notice>,
) -> Result<Change, Error> {
    let hashes = codes.iter().map(|hash| hash.0.as_slice()).collect();
    let statement = Replace { binds: Binds::new(asked, Some(verified), notice), hashes };
    db.run(async |connection| statement.get_result(connection).await).await.map(Change::of)
}
