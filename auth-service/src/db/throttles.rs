//! `throttles`: attempts, counted in one statement before it is known how they end, and taken back when they did not fail.
//!
//! A login counts in the statement that loads the account (`db::login`), with the same function of the database.

use std::time::Duration;

use database::{Database, Error};
use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Bool, Bytea, Double, Int4, Interval, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::statement::{interval, prepared, push_given};
use crate::throttle::{Attempt, Refund, Rule, Scope, Subject, Throttled};

const COUNT: &str = include_str!("throttles_count.sql");

/// The rules of an attempt, as the database's functions take them.
pub(super) struct Rules<'a> {
    pub(super) keys: Vec<&'a [u8]>,
    pub(super) allowed: Vec<i32>,
    pub(super) windows: Vec<PgInterval>,
    pub(super) longest: Vec<Option<PgInterval>>,
    /// True where nobody elsewhere could have added to the count.
    pub(super) own: Vec<bool>,
}

impl<'a> Rules<'a> {
    pub(super) fn of(rules: &'a [Rule]) -> Self {
        Self {
            keys: rules.iter().map(|rule| rule.key.as_bytes()).collect(),
            allowed: rules.iter().map(|rule| rule.limit.allowed).collect(),
            windows: rules.iter().map(|rule| interval(rule.limit.window)).collect(),
            longest: rules.iter().map(|rule| rule.limit.longest_wait().map(interval)).collect(),
            own: rules.iter().map(|rule| rule.scope == Scope::AccountAtAddress).collect(),
        }
    }
}

/// What `count_attempt` answers when an attempt may not be made: by which rule, for how many seconds, and whether it is the first
/// to be told.
pub(super) type ThrottledColumns = (Int4, Double, Bool);
/// The same as it is read.
pub(super) type ThrottledRow = (i32, f64, bool);

/// What an attempt came to before it was made.
pub(super) fn counted(
    attempt: &Attempt<'_>,
    is_known: bool,
    throttled: Option<ThrottledRow>,
) -> Result<Refund, Throttled> {
    let Some((place, seconds, is_first)) = throttled else { return Ok(attempt.refund(is_known)) };
    // The database counts from one; a place that is none would be its error, and no reason to let anybody pass.
    let index = usize::try_from(place - 1).unwrap_or_default();
    let scope = attempt.rules.get(index).map_or(Scope::AccountAtAddress, |rule| rule.scope);
    let retry_after = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Err(Throttled { purpose: attempt.purpose, scope, retry_after, is_first })
}

struct Count<'a> {
    rules: Rules<'a>,
    own_rules: i32,
    addresses: Vec<&'a [u8]>,
    email: Option<&'a str>,
    user_id: Option<Uuid>,
}

prepared!(Count selects (Bool, Nullable<ThrottledColumns>));

impl QueryFragment<Pg> for Count<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "keys": Array<Bytea> = &self.rules.keys,
            "allowed": Array<Int4> = &self.rules.allowed,
            "windows": Array<Interval> = &self.rules.windows,
            "longest": Array<Nullable<Interval>> = &self.rules.longest,
            "own_rules": Int4 = &self.own_rules,
            "addresses": Array<Bytea> = &self.addresses,
            "email": Nullable<Text> = &self.email,
            "user_id": Nullable<SqlUuid> = &self.user_id,
        );
        out.push_sql(COUNT);
        Ok(())
    }
}

/// Counts an attempt that is about to be made, or says that it may not be. The answer is what to take back if it does not fail.
///
/// # Errors
/// [`Error`] when the database is away or fails: then nothing may be tried.
pub async fn count(db: &Database, attempt: &Attempt<'_>) -> Result<Result<Refund, Throttled>, Error> {
    let rules = Rules::of(&attempt.rules);
    let (email, user_id) = match attempt.subject {
        Subject::Email(email) => (Some(email.as_str()), None),
        Subject::User(user) => (None, Some(user.0)),
        Subject::Client(_) | Subject::Service => (None, None),
    };
    let statement = Count {
        own_rules: attempt.own_rules(),
        rules,
        addresses: attempt.addresses.iter().map(|address| address.as_bytes()).collect(),
        email,
        user_id,
    };
    let (is_known, throttled): (bool, Option<ThrottledRow>) =
        db.hot(async |connection| statement.get_result(connection).await).await?;
    Ok(counted(attempt, is_known, throttled))
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// Takes attempts back that did not fail.
    fn refund_attempt(keys: Array<Bytea>, allowed: Array<Int4>, cleared: Array<Bool>) -> Int4;
}

/// What is known of an attempt that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded: where nobody elsewhere could have added to the count, what failed before it is forgotten too. (A login
    /// does that in the statement that opens its session.)
    Succeeded,
    /// It came to nothing: it was not tried, or says nothing about the secret. What failed before it did fail.
    Void,
}

/// Takes an attempt back.
///
/// # Errors
/// [`Error`] when the database is away or fails: the attempt stays counted.
pub async fn refund(db: &Database, refund: &Refund, outcome: Outcome) -> Result<(), Error> {
    let rules = Rules::of(&refund.0);
    let cleared: Vec<bool> = rules.own.iter().map(|own| *own && outcome == Outcome::Succeeded).collect();
    let ask = diesel::select(refund_attempt(rules.keys, rules.allowed, cleared));
    db.hot(async |connection| ask.execute(connection).await).await.map(|_rows| ())
}
