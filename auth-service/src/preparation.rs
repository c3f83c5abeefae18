//! What has to be true of the database before the first request: its schema, its administrators, a bootstrap token.
//!
//! A database that is away is waited for; one that this process must not serve on ends it.

use std::io::{Write as _, stdout};
use std::time::Duration;

use database::migrations::{self, MigrationError};
use process::Mode;

use crate::accounts::bootstrap::{self, BootstrapToken, NoRandomness};
use crate::app::App;
use crate::config::Config;
use crate::db::{self, MIGRATIONS, demo_accounts};

/// Between two looks for a database that is away.
const PAUSE: Duration = Duration::from_millis(250);

/// Why the process must not serve on this database.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Production does not migrate by itself.
    #[error("the schema is behind, run `auth-service migrate`: {} pending", .0.join(", "))]
    SchemaBehind(Vec<String>),
    /// Development does, and could not.
    #[error(transparent)]
    Migration(MigrationError),
    /// Its password is known.
    #[error("a demo administrator exists; delete it, or do not use this database in production")]
    DemoAdmin,
    /// The database answered with an error.
    #[error("the database cannot be prepared")]
    Database(#[source] database::Error),
    /// No token can be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// Nowhere to print the token.
    #[error("the bootstrap token cannot be printed")]
    Print(#[from] std::io::Error),
}

/// One attempt ended without result.
enum Stopped {
    /// Worth another attempt.
    Away(Box<dyn std::error::Error + Send + Sync>),
    Unfit(Unfit),
}

/// Prepares, for as long as it takes.
///
/// # Errors
/// [`Unfit`] when waiting would not help.
pub async fn prepare(app: &App, config: &Config) -> Result<(), Unfit> {
    let mut told = false;
    loop {
        match attempt(app, config).await {
            Ok(()) => break,
            Err(Stopped::Unfit(unfit)) => return Err(unfit),
            Err(Stopped::Away(error)) if !told => {
                tracing::warn!(
                    error = &*error as &dyn std::error::Error,
                    "the database is away; waiting for it"
                );
                told = true;
            }
            Err(Stopped::Away(_)) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    app.prepared.set();
    Ok(())
}

async fn attempt(app: &App, config: &Config) -> Result<(), Stopped> {
    match config.mode {
        Mode::Development => migrate(config).await?,
        Mode::Production => {
            refuse_an_old_schema(config).await?;
            refuse_a_demo_admin(app).await?;
        }
    }
    if config.allow_bootstrap {
        offer_bootstrap(app).await?;
    }
    Ok(())
}

async fn migrate(config: &Config) -> Result<(), Stopped> {
    for name in migrations::run(&config.database.url, MIGRATIONS).await? {
        tracing::info!(name, "migrated");
    }
    Ok(())
}

async fn refuse_an_old_schema(config: &Config) -> Result<(), Stopped> {
    let pending = migrations::pending(&config.database.url, MIGRATIONS).await?;
    if pending.is_empty() { Ok(()) } else { Err(Unfit::SchemaBehind(pending).into()) }
}

async fn refuse_a_demo_admin(app: &App) -> Result<(), Stopped> {
    if demo_accounts::admin_exists(&app.database).await? { Err(Unfit::DemoAdmin.into()) } else { Ok(()) }
}

/// The token goes to standard output and nowhere else: logs are kept and copied.
async fn offer_bootstrap(app: &App) -> Result<(), Stopped> {
    let token = BootstrapToken::generate().map_err(Unfit::from)?;
    if db::bootstrap::offer(&app.database, token.hash(), bootstrap::LIFETIME).await? {
        writeln!(stdout(), "bootstrap token: {}", token.expose()).map_err(Unfit::from)?;
    }
    Ok(())
}

impl From<Unfit> for Stopped {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

impl From<MigrationError> for Stopped {
    fn from(error: MigrationError) -> Self {
        match error {
            MigrationError::Connect(error) => Self::Away(Box::new(error)),
            failed @ MigrationError::Failed(_) => Self::Unfit(Unfit::Migration(failed)),
        }
    }
}

impl From<database::Error> for Stopped {
    fn from(error: database::Error) -> Self {
        match error {
            away @ database::Error::Unavailable(_) => Self::Away(Box::new(away)),
            failed @ database::Error::Statement(_) => Self::Unfit(Unfit::Database(failed)),
        }
    }
}
