//! `demo_accounts`: accounts whose password everybody may know, and which must not come near production.

use database::{Database, Error};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::schema::{demo_accounts, users};
use crate::accounts::Role;

/// Whether an administrator among them exists.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn admin_exists(db: &Database) -> Result<bool, Error> {
    let demo_admins =
        demo_accounts::table.inner_join(users::table).filter(users::role.eq(Role::Admin.as_str()));
    db.run(async |connection| {
        diesel::select(exists(demo_admins.select(users::id))).get_result(connection).await
    })
    .await
}
