//! `schema.rs` says what the migrations make.

use std::fmt::Write as _;

use crate::app::database;

const TABLES: [(&str, &str); 2] = [("orders", "id"), ("order_items", "order_id, position")];

#[tokio::test]
async fn the_schema_file_matches_the_migrated_database() {
    let database = database().await;
    let client = database.client().await;
    let written = include_str!("../../src/db/schema.rs");

    let names = client
        .query("SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'", &[])
        .await
        .unwrap();
    let mut names: Vec<String> = names.iter().map(|row| row.get(0)).collect();
    names.retain(|name| name != "__diesel_schema_migrations");
    names.sort();
    assert_eq!(names, ["order_items", "orders"]);

    for (table, key) in TABLES {
        let columns = client
            .query(
                "SELECT column_name::text, udt_name::text, is_nullable = 'YES' FROM information_schema.columns \
                 WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position",
                &[&table],
            )
            .await
            .unwrap();
        let mut expected = format!("    {table} ({key}) {{\n");
        for column in columns {
            let (name, kind, nullable) = (column.get(0), column.get(1), column.get(2));
            writeln!(expected, "        {}", declaration(name, kind, nullable)).unwrap();
        }
        expected.push_str("    }\n");
        assert!(written.contains(&expected), "schema.rs lacks\n{expected}");
    }
}

fn declaration(name: &str, kind: &str, nullable: bool) -> String {
    let kind = match kind {
        "uuid" => "Uuid",
        "text" => "Text",
        "int4" => "Integer",
        "int8" => "BigInt",
        "timestamptz" => "Timestamptz",
        other => panic!("{name} has the type {other}, which this test does not know yet"),
    };
    if nullable { format!("{name} -> Nullable<{kind}>,") } else { format!("{name} -> {kind},") }
}
