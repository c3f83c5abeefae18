//! One statement that makes those accounts of a batch that nothing stands in the way of.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Table;
use crate::accounts::password_hash::PasswordHash;
use crate::accounts::transfer::{Arrival, Verified};
use crate::accounts::{AccountStatus, Role, UserId};

/// A line with the id that its account will have.
#[derive(Debug)]
pub(super) struct Newcomer<'a> {
    pub(super) arrival: &'a Arrival,
    pub(super) id: UserId,
    hash: PasswordHash,
}

impl<'a> Newcomer<'a> {
    pub(super) fn new(arrival: &'a Arrival) -> Self {
        let made = || arrival.created_at.map_or_else(UserId::generate, UserId::generate_for);
        Self {
            arrival,
            id: arrival.id.unwrap_or_else(made),
            hash: arrival.password_hash.clone().unwrap_or_else(PasswordHash::missing),
        }
    }

    pub(super) fn role(&self) -> Role {
        self.arrival.role.unwrap_or(Role::User)
    }
}

/// Its rows, a column each. No address and no id stands there twice.
pub(super) struct Insert<'a> {
    table: Table,
    ids: Vec<Uuid>,
    emails: Vec<&'a str>,
    hashes: Vec<&'a str>,
    roles: Vec<&'static str>,
    statuses: Vec<&'static str>,
    created: Vec<Option<OffsetDateTime>>,
    verified: Vec<bool>,
    verified_at: Vec<Option<OffsetDateTime>>,
}

impl<'a> Insert<'a> {
    pub(super) fn new(table: Table, newcomers: &[&'a Newcomer<'a>]) -> Self {
        let verified = |newcomer: &&Newcomer<'_>| newcomer.arrival.verified.unwrap_or(Verified::No);
        let status = |newcomer: &&Newcomer<'_>| newcomer.arrival.status.unwrap_or(AccountStatus::Active);
        Self {
            table,
            ids: newcomers.iter().map(|newcomer| newcomer.id.0).collect(),
            emails: newcomers.iter().map(|newcomer| newcomer.arrival.email.as_str()).collect(),
            hashes: newcomers.iter().map(|newcomer| newcomer.hash.secret().expose().as_str()).collect(),
            roles: newcomers.iter().map(|newcomer| newcomer.role().as_str()).collect(),
            statuses: newcomers.iter().map(|newcomer| status(newcomer).as_str()).collect(),
            created: newcomers.iter().map(|newcomer| newcomer.arrival.created_at).collect(),
            verified: newcomers.iter().map(|newcomer| verified(newcomer) != Verified::No).collect(),
            verified_at: newcomers.iter().map(|newcomer| since(verified(newcomer))).collect(),
        }
    }
}

const fn since(verified: Verified) -> Option<OffsetDateTime> {
    match verified {
        Verified::No | Verified::Undated => None,
        Verified::Since(time) => Some(time),
    }
}

// Its text depends on the table, and is what diesel knows the statement by.
impl QueryId for Insert<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// The ids of those that were made.
impl Query for Insert<'_> {
    type SqlType = (SqlUuid,);
}

impl QueryFragment<Pg> for Insert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("INSERT INTO ");
        out.push_sql(self.table.name());
        out.push_sql(include_str!("insert.sql"));
        out.push_bind_param::<Array<SqlUuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.emails)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.hashes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.roles)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.statuses)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.created)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.verified)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.verified_at)?;
        out.push_sql(include_str!("insert_given.sql"));
        Ok(())
    }
}
