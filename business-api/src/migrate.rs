//! `migrate`: the schema of this binary, or what is missing from it.

use business_api::db::MIGRATIONS;
use database::Url;
use database::migrations::{self, MigrationError};

/// Applies what is pending, or with `plan` only asks; answers a line for each migration.
pub(crate) async fn migrate(database: &Url, plan: bool) -> Result<String, MigrationError> {
    let (names, what) = if plan {
        (migrations::pending(database, MIGRATIONS).await?, "pending")
    } else {
        (migrations::run(database, MIGRATIONS).await?, "applied")
    };
    if names.is_empty() {
        return Ok("the schema is up to date".to_owned());
    }
    let lines: Vec<_> = names.iter().map(|name| format!("{what}: {name}")).collect();
    Ok(lines.join("\n"))
}
