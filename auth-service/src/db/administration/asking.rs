//! Who reads: looked at in the statement that reads, so that an administrator no longer sees nothing with an old token.

use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::AstPass;
use diesel::sql_types::{Interval, Uuid as SqlUuid};

use super::{By, Mandate};
use crate::db::statement::{interval, push_given};

/// Begins a statement with `WITH … asking`, of which there is a row if whoever asks may.
pub(in crate::db) struct Asking<'a> {
    by: By<'a>,
    idle: PgInterval,
}

impl<'a> Asking<'a> {
    pub(in crate::db) fn new(mandate: &Mandate<'a>) -> Self {
        Self { by: mandate.by, idle: interval(mandate.policy.idle) }
    }

    pub(in crate::db) fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self.by {
            By::Operator => out.push_sql("WITH asking AS (SELECT 'ADMIN' AS role) "),
            By::Administrator(session) => {
                push_given!(out,
                    "asking_session": SqlUuid = &session.session.0,
                    "asking_user": SqlUuid = &session.user.0,
                    "idle": Interval = &self.idle,
                );
                out.push_sql(include_str!("../sessions/asking.sql"));
            }
        }
        Ok(())
    }
}
