//! What the command line does with clients: each in one statement, with its audit row and what it revokes.

use std::time::Duration;

use database::{Database, Error};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bytea, Int4, Interval, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::clients::{ClientId, Scopes, SecretHash};
use crate::db::schema::clients;
use crate::db::statement::interval;

const CREATE: &str = include_str!("create.sql");
const ROTATE: &str = include_str!("rotate.sql");
const DELETE: &str = include_str!("delete.sql");

/// Why a client was not changed.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// There is one of that name.
    #[error("there is a client `{0}` already")]
    Exists(ClientId),
    /// There is none.
    #[error("there is no client `{0}`")]
    Missing(ClientId),
    /// The database is away or failed.
    #[error(transparent)]
    Database(#[from] Error),
}

/// A client as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Registered {
    /// Its name.
    pub id: String,
    /// What it may ask for.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When its secret was drawn.
    pub rotated_at: OffsetDateTime,
    /// Until when the secret before that is good too.
    pub previous_until: Option<OffsetDateTime>,
}

#[derive(QueryableByName)]
struct Done {
    #[diesel(sql_type = Int4)]
    #[expect(dead_code, reason = "only whether there is a row matters")]
    epoch: i32,
}

/// Makes a client, or makes one again that was deleted.
///
/// # Errors
/// [`NotMade`]
pub async fn create(
    db: &Database,
    id: &ClientId,
    secret: SecretHash,
    scopes: &Scopes,
) -> Result<(), NotMade> {
    let statement = diesel::sql_query(CREATE)
        .bind::<Text, _>(id.as_str())
        .bind::<Bytea, _>(secret.0.as_slice())
        .bind::<Array<Text>, _>(scopes.words())
        .bind::<SqlUuid, _>(Uuid::now_v7());
    let done = db.run(async |connection| statement.get_result(connection).await.optional()).await?;
    done.map(|Done { .. }| ()).ok_or_else(|| NotMade::Exists(id.clone()))
}

/// Gives a client another secret. Without an overlap the old one and every token given so far end here.
///
/// # Errors
/// [`NotMade`]
pub async fn rotate(
    db: &Database,
    id: &ClientId,
    secret: SecretHash,
    keep_old: Option<Duration>,
) -> Result<(), NotMade> {
    let statement = diesel::sql_query(ROTATE)
        .bind::<Text, _>(id.as_str())
        .bind::<Bytea, _>(secret.0.as_slice())
        .bind::<Nullable<Interval>, _>(keep_old.map(interval))
        .bind::<SqlUuid, _>(Uuid::now_v7());
    let done = db.run(async |connection| statement.get_result(connection).await.optional()).await?;
    done.map(|Done { .. }| ()).ok_or_else(|| NotMade::Missing(id.clone()))
}

/// Ends a client and every token given to it.
///
/// # Errors
/// [`NotMade`]
pub async fn delete(db: &Database, id: &ClientId) -> Result<(), NotMade> {
    let statement = diesel::sql_query(DELETE).bind::<Text, _>(id.as_str()).bind::<SqlUuid, _>(Uuid::now_v7());
    let done = db.run(async |connection| statement.get_result(connection).await.optional()).await?;
    done.map(|Done { .. }| ()).ok_or_else(|| NotMade::Missing(id.clone()))
}

/// All clients, by name.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn list(db: &Database) -> Result<Vec<Registered>, Error> {
    db.run(async |connection| {
        clients::table
            .filter(clients::deleted_at.is_null())
            .order(clients::id)
            .select((
                clients::id,
                clients::scopes,
                clients::created_at,
                clients::rotated_at,
                // An overlap that is over is none.
                diesel::dsl::sql::<Nullable<Timestamptz>>(
                    "CASE WHEN previous_until > now() THEN previous_until END",
                ),
            ))
            .load(connection)
            .await
    })
    .await
}
