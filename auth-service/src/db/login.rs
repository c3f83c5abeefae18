//! The first statement of a login: it counts the attempt and loads the account, whether there is one or not.

use database::{Database, Error};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Bool, Bytea, Int4, Interval, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::statement::{prepared, push_given};
use super::throttles::{Rules, ThrottledColumns, ThrottledRow, counted};
use super::users::{Credentials, CredentialsColumns, CredentialsRow};
use crate::accounts::Email;
use crate::second_factor::FactorId;
use crate::throttle::{Attempt, Refund, Throttled};

const FIND: &str = include_str!("login.sql");

/// What a login stands on.
#[derive(Debug)]
pub struct Found {
    /// The account of the address, with what its password is compared to.
    pub credentials: Option<Credentials>,
    /// Its second factor, if one is in force.
    pub second_factor: Option<FactorId>,
    /// What to take back if the attempt does not fail; or that it may not be made.
    pub counted: Result<Refund, Throttled>,
}

struct Find<'a> {
    email: &'a str,
    rules: Rules<'a>,
    own_rules: i32,
    addresses: Vec<&'a [u8]>,
}

prepared!(Find selects (Nullable<CredentialsColumns>, Nullable<SqlUuid>, Bool, Nullable<ThrottledColumns>));

impl QueryFragment<Pg> for Find<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "email": Text = self.email,
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

/// Counts an attempt to log in and loads what it is about.
///
/// # Errors
/// [`Error`] when the database is away or fails: then nobody is let in.
pub async fn find_for_login(db: &Database, email: &Email, attempt: &Attempt<'_>) -> Result<Found, Error> {
    let rules = Rules::of(&attempt.rules);
    let statement = Find {
        email: email.as_str(),
        own_rules: attempt.own_rules(),
        rules,
        addresses: attempt.addresses.iter().map(|address| address.as_bytes()).collect(),
    };
    let (row, factor, is_known, throttled): (
        Option<CredentialsRow>,
        Option<Uuid>,
        bool,
        Option<ThrottledRow>,
    ) = db.hot(async |connection| statement.get_result(connection).await).await?;
    Ok(Found {
        credentials: row.map(CredentialsRow::credentials),
        second_factor: factor.map(FactorId),
        counted: counted(attempt, is_known, throttled),
    })
}
