//! What a refresh costs in row versions, by PostgreSQL's own count.

use std::time::Duration;

use database::Database;
use postgres_cluster::TemporaryCluster;
use test_support::{eventually, tokio_postgres};

use super::actors::{POLICY, continued, device, migrate, new_session, new_user};
use crate::accounts::Role;
use crate::db::{sessions, users};
use crate::sessions::{SessionPolicy, Step};
use crate::tokens::RefreshToken;

const SESSIONS: i64 = 50;
const ROTATIONS: i64 = 40;

/// The test has a server to itself: PostgreSQL keeps old versions for as long as a transaction of anybody runs, in
/// whatever database, and the other tests' would count here.
#[tokio::test]
async fn refreshes_are_heap_only_updates() {
    let cluster = TemporaryCluster::start(&postgres_cluster::find(), &[]).unwrap();
    let url = cluster.running().unwrap().superuser_url("postgres");
    migrate(&url).await.unwrap();
    let db = Database::new(&url.parse().unwrap(), 4).unwrap().with_deadline(Duration::from_secs(60));
    rotate(&db).await;

    let (sql, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    // PostgreSQL counts in the background.
    let counts = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sessions'";
    let (updates, heap_only) = eventually("all updates have been counted", async || {
        let row = sql.query_one(counts, &[]).await.unwrap();
        let (updates, heap_only): (i64, i64) = (row.get(0), row.get(1));
        (updates >= SESSIONS * ROTATIONS).then_some((updates, heap_only))
    })
    .await;
    assert_eq!(updates, SESSIONS * ROTATIONS);
    assert!(heap_only * 100 >= updates * 99, "{heap_only} of {updates} were heap-only");
}

async fn rotate(db: &Database) {
    let ann = users::insert(db, &new_user("ann", Role::User)).await.unwrap();
    let policy = SessionPolicy { grace: Duration::ZERO, ..POLICY };
    let mut tokens = Vec::new();
    for _session in 0..SESSIONS {
        let new = new_session(ann.id, ann.epoch);
        sessions::open(db, &new, &policy).await.unwrap().unwrap();
        tokens.push(RefreshToken::first(new.id, new.delivery, new.nonce));
    }
    for generation in 0..ROTATIONS {
        for token in &tokens {
            // Addresses change under way, too.
            let device = device(if generation % 7 == 0 { "192.0.2.1" } else { "2001:db8::1" });
            let token = token.at_generation(generation);
            let answer = sessions::refresh(db, &token, &device, &policy).await.unwrap();
            assert_eq!(continued(answer), (Step::Rotated, generation + 1));
        }
    }
}
