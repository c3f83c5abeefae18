//! Whether the database has the schema that this binary was built for, asked in one cheap statement.

use database::{Database, Error};
use diesel::dsl::exists;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::MIGRATIONS;

diesel::table! {
    /// diesel's own table of what has been applied.
    __diesel_schema_migrations (version) {
        /// A migration's name up to its first `_`, without `-`.
        version -> VarChar,
    }
}

/// Whether the newest migration of this binary has been applied.
///
/// # Errors
/// [`Error`] when the database is away, or was never migrated.
pub async fn is_current(db: &Database) -> Result<bool, Error> {
    use __diesel_schema_migrations::dsl::{__diesel_schema_migrations as applied, version};

    let Some(newest) = newest() else { return Ok(true) };
    let found = applied.filter(version.eq(newest));
    db.run(async |connection| diesel::select(exists(found.select(version))).get_result(connection).await)
        .await
}

/// The version of the newest migration in the binary; `None` if it has none.
fn newest() -> Option<String> {
    let migrations: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS.migrations().ok()?;
    migrations.iter().map(|migration| migration.name().version().to_string()).max()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_newest_migration_is_known() {
        assert!(super::newest().is_some_and(|version| version.as_str() >= "20261124000006"));
    }
}
