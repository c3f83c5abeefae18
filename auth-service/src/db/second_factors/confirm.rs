//! A pending enrolment comes into force, with its recovery codes.

use database::{Database, Error};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Bytea, Int8, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;

use super::asked::{Binds, Change, OutcomeColumns, push_asked};
use crate::db::epochs::Asked;
use crate::db::statement::{prepared, push_given};
use crate::mail::Notice;
use crate::second_factor::{FactorId, RecoveryHash, Step};

const CONFIRM: &str = concat!(include_str!("../sessions/asking.sql"), include_str!("confirm.sql"));

/// What confirms an enrolment.
#[derive(Debug)]
pub struct Confirmation<'a> {
    /// Which enrolment.
    pub id: FactorId,
    /// The step of the code that was shown.
    pub step: Step,
    /// The recovery codes.
    pub codes: &'a [RecoveryHash],
}

struct Confirm<'a> {
    binds: Binds<'a>,
    confirmation: &'a Confirmation<'a>,
    hashes: Vec<&'a [u8]>,
}

prepared!(Confirm selects OutcomeColumns);

impl QueryFragment<Pg> for Confirm<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_asked!(out, self.binds,
            "factor_id": SqlUuid = &self.confirmation.id.0,
            "step": Int8 = &self.confirmation.step,
            "hashes": Array<Bytea> = &self.hashes,
        );
        out.push_sql(CONFIRM);
        Ok(())
    }
}

/// Confirms. [`Change::Unfit`]: it was confirmed, replaced or removed meanwhile.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn confirm(
    db: &Database,
    asked: &Asked<'_>,
    confirmation: &Confirmation<'_>,
    notice: Option<&Notice>,
) -> Result<Change, Error> {
    let hashes = confirmation.codes.iter().map(|hash| hash.0.as_slice()).collect();
    let statement = Confirm { binds: Binds::new(asked, None, notice), confirmation, hashes };
    db.run(async |connection| statement.get_result(connection).await).await.map(Change::of)
}
