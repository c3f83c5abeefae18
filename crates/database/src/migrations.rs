//! Bringing a database to the schema that this binary was built for, or telling how far it is behind.

use diesel::migration::Migration;
use diesel::pg::Pg;
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};

use crate::connect::{ConnectError, connect};
use crate::url::Url;

/// Held while migrating, so that replicas that start together take turns. (Any constant will do: "portcul".)
const ADVISORY_LOCK: i64 = 0x0070_6f72_7463_756c;
/// How long a migration waits for a table that somebody uses. Everybody who comes after it waits with it, so that behind a backup,
/// which uses every table, nobody would be served until it has ended.
const LOCK_TIMEOUT: &str = "3s";

/// Why migrations could not be read or run.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A statement of a migration failed; that migration was rolled back.
    #[error("a migration failed: {0}")]
    Failed(String),
}

/// Applies what is pending, in order, each in its own transaction; answers the names of those it ran.
///
/// # Errors
/// [`MigrationError`]; what had succeeded before stays.
pub async fn run(url: &Url, migrations: EmbeddedMigrations) -> Result<Vec<String>, MigrationError> {
    with_harness(url, move |harness| {
        let pending = harness.pending_migrations(migrations)?;
        harness.run_migrations(&pending)?;
        Ok(names(&pending))
    })
    .await
}

/// The names of the migrations that are not applied yet, in order.
///
/// # Errors
/// [`MigrationError`] when the database cannot be asked.
pub async fn pending(url: &Url, migrations: EmbeddedMigrations) -> Result<Vec<String>, MigrationError> {
    with_harness(url, move |harness| Ok(names(&harness.pending_migrations(migrations)?))).await
}

type Harness = AsyncMigrationHarness<AsyncPgConnection>;
type HarnessResult<T> = diesel::migration::Result<T>;

async fn with_harness<T: Send + 'static>(
    url: &Url,
    work: impl FnOnce(&mut Harness) -> HarnessResult<T> + Send + 'static,
) -> Result<T, MigrationError> {
    use diesel_async::RunQueryDsl as _;

    let failed = |error: String| MigrationError::Failed(error);
    let mut connection = connect(url).await?;
    // A migration may take its time; the deadline of a request is not for it.
    for statement in [
        "SET statement_timeout = 0".to_owned(),
        format!("SELECT pg_advisory_lock({ADVISORY_LOCK})"),
        format!("SET lock_timeout = '{LOCK_TIMEOUT}'"),
    ] {
        diesel::sql_query(statement)
            .execute(&mut connection)
            .await
            .map_err(|error| failed(error.to_string()))?;
    }
    // diesel's migrations block their thread; the lock goes with the connection.
    tokio::task::spawn_blocking(move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        work(&mut harness).map_err(|error| MigrationError::Failed(error.to_string()))
    })
    .await
    .map_err(|error| failed(error.to_string()))?
}

fn names(migrations: &[Box<dyn Migration<Pg>>]) -> Vec<String> {
    migrations.iter().map(|migration| migration.name().to_string()).collect()
}
