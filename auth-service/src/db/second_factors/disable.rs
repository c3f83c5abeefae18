//! The second factor goes, with its recovery codes, by its owner's wish.

use database::{Database, Error};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel_async::RunQueryDsl;
use secret::Secret;

use super::asked::{Binds, Change, OutcomeColumns, push_asked};
use crate::db::epochs::Asked;
use crate::db::statement::{prepared, push_given};
use crate::mail::Notice;

const DISABLE: &str = concat!(include_str!("../sessions/asking.sql"), include_str!("disable.sql"));

struct Disable<'a> {
    binds: Binds<'a>,
}

prepared!(Disable selects OutcomeColumns);

impl QueryFragment<Pg> for Disable<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_asked!(out, self.binds,);
        out.push_sql(DISABLE);
        Ok(())
    }
}

/// Removes what there is, confirmed or pending. [`Change::Unfit`]: there was nothing.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn disable(
    db: &Database,
    asked: &Asked<'_>,
    verified: &Secret<String>,
    notice: Option<&Notice>,
) -> Result<Change, Error> {
    let statement = Disable { binds: Binds::new(asked, Some(verified), notice) };
    db.run(async |connection| statement.get_result(connection).await).await.map(Change::of)
}
