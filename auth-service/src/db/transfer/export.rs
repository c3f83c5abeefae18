//! All accounts, as they were at one moment, in the order of their ids.

use std::io;

use database::{Database, Error};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use secret::Secret;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::PATIENCE;
use crate::accounts::password_hash::PasswordHash;
use crate::accounts::transfer::{Departure, Existing};
use crate::accounts::{AccountStatus, Role, UserId};
use crate::db::audit::{self, Event, Kind};
use crate::db::schema::{demo_accounts, second_factors, users};
use crate::sessions::Device;

/// So many are in memory at once.
const PAGE: i64 = 1_000;

/// Why not all accounts were written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The database is away or fails.
    #[error(transparent)]
    Database(#[from] Error),
    /// They cannot be written to where they go.
    #[error("the accounts cannot be written")]
    Output(#[source] io::Error),
}

/// Gives every account to `write`, and says how many there were. That it was begun is in the audit trail before the first one is read.
///
/// # Errors
/// [`ExportError`]; what was written until then is not all.
pub async fn export(
    db: &Database,
    mut write: impl FnMut(Departure) -> io::Result<()> + Send,
) -> Result<u64, ExportError> {
    record(db).await?;
    let written = db
        .run(async |connection| {
            connection
                .build_transaction()
                .repeatable_read()
                .read_only()
                .run(async |connection| {
                    diesel::sql_query(PATIENCE).execute(connection).await?;
                    write_all(connection, &mut write).await
                })
                .await
        })
        .await?;
    written.map_err(ExportError::Output)
}

async fn record(db: &Database) -> Result<(), Error> {
    let (device, detail) = (Device::default(), json!({"by": "operator"}));
    let kind = Kind::AccountsExported;
    audit::record(db, &Event { kind, user: None, session: None, actor: None, device: &device, detail }).await
}

async fn write_all(
    connection: &mut AsyncPgConnection,
    write: &mut (impl FnMut(Departure) -> io::Result<()> + Send),
) -> QueryResult<io::Result<u64>> {
    let (mut after, mut written) = (Uuid::nil(), 0);
    loop {
        let rows = page(connection, after).await?;
        let Some(last) = rows.last() else { return Ok(Ok(written)) };
        after = last.id.0;
        for row in rows {
            if let Err(error) = write(row.departure()) {
                return Ok(Err(error));
            }
            written += 1;
        }
    }
}

async fn page(connection: &mut AsyncPgConnection, after: Uuid) -> QueryResult<Vec<Row>> {
    let factor = second_factors::table
        .filter(second_factors::user_id.eq(users::id))
        .filter(second_factors::confirmed_at.is_not_null());
    users::table
        .filter(users::id.gt(after))
        .order(users::id)
        .limit(PAGE)
        .select((
            users::id,
            users::email,
            users::password_hash,
            users::role,
            users::status,
            users::created_at,
            users::email_verified_at,
            exists(demo_accounts::table.filter(demo_accounts::user_id.eq(users::id))),
            exists(factor),
        ))
        .load(connection)
        .await
}

#[derive(Queryable)]
struct Row {
    id: UserId,
    email: String,
    password_hash: String,
    role: Role,
    status: AccountStatus,
    created_at: OffsetDateTime,
    email_verified_at: Option<OffsetDateTime>,
    demo: bool,
    second_factor: bool,
}

impl Row {
    fn departure(self) -> Departure {
        let Self { id, email, password_hash, role, status, created_at, email_verified_at, .. } = self;
        let password_hash = PasswordHash::stored(Secret::new(password_hash));
        let account = Existing { id, email, password_hash, role, status, created_at, email_verified_at };
        Departure { account, demo: self.demo, second_factor: self.second_factor }
    }
}
