//! An account that somebody else than its owner makes.

use database::Database;
use diesel::prelude::*;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::{Mandate, NotDone};
use crate::db::audit::{self, Kind};
use crate::db::schema::{self, demo_accounts};
use crate::db::users::{self, NewUser, User};

/// Makes an account, and marks it as one for demonstrations if it is.
///
/// # Errors
/// [`NotDone`]
pub async fn create_account(
    db: &Database,
    mandate: &Mandate<'_>,
    new: &NewUser,
    demo: bool,
) -> Result<User, NotDone> {
    db.run(async |connection| {
        connection
            .transaction(async |connection| {
                if !mandate.stands(connection).await? {
                    return Ok(Err(NotDone::NotAsked));
                }
                let Some(user) = users::insert_in(connection, new).await? else {
                    return Ok(Err(NotDone::EmailTaken));
                };
                vouch(connection, &user).await?;
                if demo {
                    mark(connection, &user).await?;
                }
                let detail = json!({"role": user.role, "demo": demo});
                audit::insert(connection, &mandate.event(Kind::AccountCreated, user.id, detail)).await?;
                Ok(Ok(user))
            })
            .await
    })
    .await?
}

/// The address is taken for verified: whoever makes the account vouches for it.
async fn vouch(connection: &mut AsyncPgConnection, user: &User) -> QueryResult<()> {
    let account = diesel::update(schema::users::table.find(user.id.0));
    account.set(schema::users::email_verified_at.eq(diesel::dsl::now)).execute(connection).await.map(drop)
}

async fn mark(connection: &mut AsyncPgConnection, user: &User) -> QueryResult<()> {
    let marked = diesel::insert_into(demo_accounts::table).values(demo_accounts::user_id.eq(user.id.0));
    marked.execute(connection).await.map(drop)
}
