//! An account by what an operator knows of it.

use database::{Database, Error};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::accounts::search::Handle;
use crate::db::schema::users;
use crate::db::users::{USER, User};

/// The account, if there is one.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn find_account(db: &Database, handle: &Handle) -> Result<Option<User>, Error> {
    db.run(async |connection| match handle {
        Handle::Id(id) => users::table.find(id.0).select(USER).first(connection).await.optional(),
        Handle::Email(email) => users::table
            .filter(users::email.eq(email.as_str()))
            .select(USER)
            .first(connection)
            .await
            .optional(),
    })
    .await
}
