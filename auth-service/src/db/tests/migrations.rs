//! The migrations, and the schema that the code believes in.

use std::collections::BTreeMap;

use test_support::TestDatabase;

use super::actors::{World, migrate};

/// Table, column, and the column's type in diesel's words.
type Columns = BTreeMap<(String, String), String>;

/// Reads the `table!` blocks of a source file; they are as regular as diesel's own printer writes them.
fn declared(source: &str) -> Columns {
    let mut columns = Columns::new();
    let mut table = String::new();
    for line in source.lines().map(str::trim) {
        if line == "}" {
            table.clear();
        } else if !table.is_empty()
            && let Some((name, kind)) = line.trim_end_matches(',').split_once(" -> ")
        {
            columns.insert((table.clone(), name.to_owned()), kind.to_owned());
        } else if line.ends_with('{') && line.contains(" (") {
            table = line.split(' ').next().unwrap_or_default().to_owned();
        }
    }
    columns
}

async fn migrated() -> Columns {
    let world = World::new().await;
    let query = "SELECT table_name::text, column_name::text, udt_name::text, is_nullable = 'YES' \
                 FROM information_schema.columns \
                 WHERE table_schema = 'public' AND table_name <> '__diesel_schema_migrations'";
    let rows = world.sql.query(query, &[]).await.unwrap();
    rows.iter()
        .map(|row| {
            let kind = diesel_word(row.get(2));
            let kind = if row.get(3) { format!("Nullable<{kind}>") } else { kind };
            ((row.get(0), row.get(1)), kind)
        })
        .collect()
}

fn diesel_word(udt: &str) -> String {
    match udt.strip_prefix('_') {
        Some(element) => format!("Array<{}>", diesel_word(element)),
        None => udt[..1].to_uppercase() + &udt[1..],
    }
}

#[tokio::test]
async fn the_schema_is_what_the_migrations_leave() {
    let (declared, migrated) = (declared(include_str!("../schema.rs")), migrated().await);
    let only_declared: Vec<_> =
        declared.iter().filter(|&(column, kind)| migrated.get(column) != Some(kind)).collect();
    let only_migrated: Vec<_> =
        migrated.iter().filter(|&(column, kind)| declared.get(column) != Some(kind)).collect();
    assert!(only_declared.is_empty() && only_migrated.is_empty(), "{only_declared:?} but {only_migrated:?}");
}

#[tokio::test]
async fn every_migration_can_be_undone_and_done_again() {
    let database = TestDatabase::empty().await;
    let sql = database.client().await;
    migrate(database.url()).await.unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/auth");
    let mut migrations: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    migrations.sort();
    for migration in migrations.iter().rev() {
        sql.batch_execute(&std::fs::read_to_string(migration.join("down.sql")).unwrap()).await.unwrap();
    }
    let left = "SELECT (SELECT count(*) FROM pg_tables WHERE schemaname = 'public') \
                     + (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)";
    let left_over: i64 = sql.query_one(left, &[]).await.unwrap().get(0);
    // diesel's own table of what has run, and its function that keeps updated_at columns, if any.
    let diesels = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'diesel%'";
    let diesels: i64 = sql.query_one(diesels, &[]).await.unwrap().get(0);
    assert_eq!(left_over, 1 + diesels);
    sql.batch_execute("DELETE FROM __diesel_schema_migrations").await.unwrap();
    migrate(database.url()).await.unwrap();
}
