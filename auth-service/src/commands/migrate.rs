//! `migrate`: brings the database to the schema of this binary, or says what that would take.

use std::io::{Write as _, stdout};

use database::migrations;

use crate::config::CommandConfig;
use crate::db::MIGRATIONS;

/// Applies what is pending and prints its names.
///
/// # Errors
/// The database is away, or a migration failed; what had succeeded before stays.
pub async fn migrate(config: &CommandConfig) -> anyhow::Result<()> {
    print("applied", &migrations::run(&config.database.url, MIGRATIONS).await?)
}

/// Prints what is pending.
///
/// # Errors
/// The database is away.
pub async fn plan(config: &CommandConfig) -> anyhow::Result<()> {
    print("pending", &migrations::pending(&config.database.url, MIGRATIONS).await?)
}

fn print(done: &str, names: &[String]) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    for name in names {
        writeln!(out, "{done} {name}")?;
    }
    if names.is_empty() {
        writeln!(out, "the database is up to date")?;
    }
    Ok(())
}
