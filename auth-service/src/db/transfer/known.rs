//! One statement that finds the accounts that stand in a batch's way.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, Int4, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use secret::Secret;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Table;
use crate::accounts::password_hash::PasswordHash;
use crate::accounts::transfer::{Arrival, Existing};
use crate::accounts::{AccountStatus, Role, UserId};

/// What is looked for: of each line its place in the batch, its id if it gives one, and its address.
pub(super) struct Known<'a> {
    table: Table,
    places: Vec<i32>,
    ids: Vec<Option<Uuid>>,
    emails: Vec<&'a str>,
}

impl<'a> Known<'a> {
    pub(super) fn new(table: Table, lines: impl Iterator<Item = (i32, &'a Arrival)>) -> Self {
        let mut this = Self { table, places: Vec::new(), ids: Vec::new(), emails: Vec::new() };
        for (place, arrival) in lines {
            this.places.push(place);
            this.ids.push(arrival.id.map(|id| id.0));
            this.emails.push(arrival.email.as_str());
        }
        this
    }
}

impl QueryId for Known<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Known<'_> {
    type SqlType = (Int4, SqlUuid, Text, Text, Text, Text, Timestamptz, Nullable<Timestamptz>);
}

const COLUMNS: &str = "id, email, password_hash, role, status, created_at, email_verified_at";

impl QueryFragment<Pg> for Known<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT given.place, known.* FROM unnest(");
        out.push_bind_param::<Array<Int4>, _>(&self.places)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<SqlUuid>>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.emails)?;
        out.push_sql(") AS given (place, id, email) CROSS JOIN LATERAL (");
        // Each of the two is a look into an index; an OR would be a walk through the table.
        for (joint, condition) in
            [("", "email = given.email"), (" UNION ALL ", "id = given.id AND email <> given.email")]
        {
            for part in [joint, "SELECT ", COLUMNS, " FROM ", self.table.name(), " WHERE ", condition] {
                out.push_sql(part);
            }
        }
        out.push_sql(") AS known");
        Ok(())
    }
}

/// An account, and the place of the line in whose way it stands.
#[derive(Queryable)]
pub(super) struct KnownRow {
    pub(super) place: i32,
    id: UserId,
    email: String,
    password_hash: String,
    role: Role,
    status: AccountStatus,
    created_at: OffsetDateTime,
    email_verified_at: Option<OffsetDateTime>,
}

impl KnownRow {
    pub(super) fn existing(self) -> Existing {
        let Self { place: _, id, email, password_hash, role, status, created_at, email_verified_at } = self;
        let password_hash = PasswordHash::stored(Secret::new(password_hash));
        Existing { id, email, password_hash, role, status, created_at, email_verified_at }
    }
}
