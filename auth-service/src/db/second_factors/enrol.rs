//! A new secret for an app, pending until the app has shown a code of it.

use database::{Database, Error};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Bytea, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use secret::Secret;

use super::asked::{Binds, Change, OutcomeColumns, push_asked};
use crate::db::epochs::Asked;
use crate::db::statement::{prepared, push_given};
use crate::second_factor::{FactorId, SealedSecret};

const ENROL: &str = concat!(include_str!("../sessions/asking.sql"), include_str!("enrol.sql"));

/// What is enrolled.
#[derive(Debug)]
pub struct Enrolment<'a> {
    /// Its id.
    pub id: FactorId,
    /// The secret in its box.
    pub secret: &'a SealedSecret,
}

struct Enrol<'a> {
    binds: Binds<'a>,
    new: &'a Enrolment<'a>,
}

prepared!(Enrol selects OutcomeColumns);

impl QueryFragment<Pg> for Enrol<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_asked!(out, self.binds,
            "factor_id": SqlUuid = &self.new.id.0,
            "secret_id": Bytea = self.new.secret.secret_id.as_bytes(),
            "sealed": Bytea = &self.new.secret.bytes,
        );
        out.push_sql(ENROL);
        Ok(())
    }
}

/// Enrols, in the place of what is pending. [`Change::Unfit`]: the account has a second factor.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn enrol(
    db: &Database,
    asked: &Asked<'_>,
    verified: &Secret<String>,
    new: &Enrolment<'_>,
) -> Result<Change, Error> {
    let statement = Enrol { binds: Binds::new(asked, Some(verified), None), new };
    db.run(async |connection| statement.get_result(connection).await).await.map(Change::of)
}
