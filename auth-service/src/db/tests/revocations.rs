//! What a reader of `revocations` is promised: entries may repeat and never go missing.

use std::time::Duration;

use database::Database;
use postgres_cluster::TemporaryCluster;
use test_support::eventually;
use test_support::tokio_postgres::Client;
use uuid::Uuid;

use super::actors::{World, migrate};
use crate::db::revocations::{Position, read};
use crate::revocations::{News, Subject};
use crate::sessions::SessionId;

const INSERT: &str = "INSERT INTO revocations (kind, session_id, expires_at) \
                      VALUES ('session', $1::text::uuid, now() + make_interval(secs => $2))";

/// Revokes a session, in whatever transaction `sql` is.
async fn revoke(sql: &Client, seconds: f64) -> SessionId {
    let session = SessionId::generate();
    sql.execute(INSERT, &[&session.0.to_string(), &seconds]).await.unwrap();
    session
}

fn sessions(news: &News) -> Vec<SessionId> {
    let mut found: Vec<_> = news
        .entries
        .iter()
        .map(|(_, entry)| match entry.subject {
            Subject::Session(session) => session,
            ref other => panic!("{other:?} is no session"),
        })
        .collect();
    found.sort();
    found
}

/// A reader that goes on from where it is.
struct Reader<'a> {
    world: &'a World,
    position: Option<Position>,
    xmin: u64,
}

impl<'a> Reader<'a> {
    fn new(world: &'a World) -> Self {
        Self { world, position: None, xmin: 0 }
    }

    async fn read(&mut self) -> Vec<SessionId> {
        let (news, position) = read(&self.world.db, self.position.as_ref()).await.unwrap();
        (self.position, self.xmin) = (Some(position), news.xmin);
        sessions(&news)
    }
}

#[tokio::test]
async fn a_reader_finds_everything_once_and_nothing_that_has_expired() {
    let world = World::new().await;
    let mut reader = Reader::new(&world);
    assert_eq!(reader.read().await, []);
    revoke(&world.sql, -1.0).await;
    let first = revoke(&world.sql, 60.0).await;
    assert_eq!(reader.read().await, [first]);
    assert_eq!(reader.read().await, []);
    let second = revoke(&world.sql, 60.0).await;
    assert_eq!(reader.read().await, [second]);
    assert_eq!(Reader::new(&world).read().await, [first, second]);
}

#[tokio::test]
async fn what_commits_late_is_found_after_later_numbers_were_read() {
    let world = World::new().await;
    let slow = world.database.client().await;
    let slower = world.database.client().await;
    let mut reader = Reader::new(&world);
    reader.read().await;
    slow.batch_execute("BEGIN").await.unwrap();
    slower.batch_execute("BEGIN").await.unwrap();
    let late = revoke(&slow, 60.0).await;
    let quick = revoke(&world.sql, 60.0).await;
    let later = revoke(&slower, 60.0).await;
    for (found, _round) in [(vec![quick], 1), (vec![], 2)] {
        assert_eq!(reader.read().await, found);
    }
    let cursor = reader.xmin;
    let number = "SELECT xid::text::bigint FROM revocations WHERE session_id = $1::text::uuid";
    let number: i64 = slow.query_one(number, &[&late.0.to_string()]).await.unwrap().get(0);
    assert!(cursor <= number.unsigned_abs(), "a subscriber's cursor stays behind what is open");
    let another = revoke(&world.sql, 60.0).await;
    slow.batch_execute("COMMIT").await.unwrap();
    assert_eq!(reader.read().await, [late, another]);
    slower.batch_execute("COMMIT").await.unwrap();
    assert_eq!(reader.read().await, [later]);
}

#[tokio::test]
async fn a_transaction_that_fails_or_has_savepoints_changes_nothing_of_it() {
    let world = World::new().await;
    let sql = world.database.client().await;
    let mut reader = Reader::new(&world);
    reader.read().await;
    sql.batch_execute("BEGIN").await.unwrap();
    revoke(&sql, 60.0).await;
    reader.read().await;
    sql.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(reader.read().await, []);

    sql.batch_execute("BEGIN; SAVEPOINT one").await.unwrap();
    let kept = revoke(&sql, 60.0).await;
    sql.batch_execute("RELEASE one; SAVEPOINT two").await.unwrap();
    revoke(&sql, 60.0).await;
    sql.batch_execute("ROLLBACK TO two").await.unwrap();
    reader.read().await;
    sql.batch_execute("COMMIT").await.unwrap();
    assert_eq!(reader.read().await, [kept]);
}

/// What recovery does to an unlogged table, without the crash.
#[tokio::test]
async fn after_a_recovery_the_reader_begins_anew() {
    let world = World::new().await;
    let mut reader = Reader::new(&world);
    let known = revoke(&world.sql, 60.0).await;
    assert_eq!(reader.read().await, [known]);
    let before = reader.position.clone();
    world.sql.batch_execute("TRUNCATE database_incarnation").await.unwrap();
    assert_eq!(reader.read().await, [known], "transaction numbers may be given out again");
    assert_ne!(reader.position, before);
    assert_eq!(reader.read().await, []);
    assert_eq!(world.count("SELECT count(*) FROM database_incarnation").await, 1);
}

/// A copy of the data that was made while the server was down, or a dump that was restored elsewhere, brings the incarnation
/// along and the transaction numbers of then: a reader that was further on would wait for numbers that come days later.
#[tokio::test]
async fn a_reader_that_is_ahead_of_the_database_begins_anew() {
    let world = World::new().await;
    let mut reader = Reader::new(&world);
    let known = revoke(&world.sql, 60.0).await;
    assert_eq!(reader.read().await, [known]);
    reader.position = reader.position.map(|position| position.later(1_000_000));
    let new = revoke(&world.sql, 60.0).await;
    assert_eq!(reader.read().await, [known, new]);
    let newest = revoke(&world.sql, 60.0).await;
    assert_eq!(reader.read().await, [newest]);
}

/// A crash forgets transactions that were not flushed, and gives their numbers out again: below a cursor.
#[tokio::test]
async fn a_crash_of_the_server_makes_another_incarnation_and_a_restart_does_not() {
    let mut cluster = TemporaryCluster::start(&postgres_cluster::find(), &[]).unwrap();
    let url = cluster.running().unwrap().superuser_url("postgres");
    migrate(&url).await.unwrap();
    let db = Database::new(&url.parse().unwrap(), 1).unwrap().with_deadline(Duration::from_secs(60));
    let insert = "INSERT INTO revocations (kind, session_id, expires_at) \
                  VALUES ('session', gen_random_uuid(), now() + interval '10 min')";
    cluster.running().unwrap().run("postgres", insert).unwrap();
    let (first, position) = read(&db, None).await.unwrap();
    assert_eq!(first.entries.len(), 1);

    cluster.stop().unwrap();
    cluster.restart().unwrap();
    let after = async |position: &Position| {
        eventually("the server is back", async || read(&db, Some(position)).await.ok()).await
    };
    let (restarted, position) = after(&position).await;
    assert_eq!((restarted.incarnation, restarted.entries.len()), (first.incarnation, 0));

    cluster.crash().unwrap();
    cluster.restart().unwrap();
    let (recovered, _) = after(&position).await;
    assert_ne!(recovered.incarnation, first.incarnation);
    assert_eq!(recovered.entries.len(), 1, "whoever has an old cursor is told everything");
}

#[tokio::test]
async fn every_kind_is_read_as_it_was_written() {
    let world = World::new().await;
    let user = Uuid::now_v7();
    let insert = format!(
        "INSERT INTO revocations (kind, user_id, client_id, kid, least_epoch, expires_at) VALUES \
         ('user', '{user}', NULL, NULL, 3, now() + interval '1 min'), \
         ('client', NULL, 'billing', NULL, 2, now() + interval '1 min'), \
         ('key', NULL, NULL, 'k1', NULL, now() + interval '1 min')"
    );
    world.sql.batch_execute(&insert).await.unwrap();
    let (news, _) = read(&world.db, None).await.unwrap();
    let mut found: Vec<_> =
        news.entries.iter().map(|(_, entry)| format!("{:?} {}", entry.subject, entry.least_epoch)).collect();
    found.sort();
    let user = format!("User(UserId({user})) 3");
    assert_eq!(found, ["Client(\"billing\") 2", "Key(\"k1\") 0", user.as_str()]);
}

#[tokio::test]
async fn a_row_that_says_nothing_or_two_things_is_refused() {
    let world = World::new().await;
    for columns in [
        "('session', NULL, NULL, NULL, NULL)",
        "('user', NULL, gen_random_uuid(), NULL, NULL)",
        "('session', gen_random_uuid(), NULL, 1, NULL)",
        "('key', gen_random_uuid(), NULL, NULL, 'k')",
        "('other', NULL, NULL, NULL, NULL)",
    ] {
        let insert = format!(
            "INSERT INTO revocations (kind, session_id, user_id, least_epoch, kid, expires_at) \
             SELECT kind, session_id::uuid, user_id::uuid, least_epoch::integer, kid, now() \
             FROM (VALUES {columns}) AS given (kind, session_id, user_id, least_epoch, kid)"
        );
        let refused = world.sql.batch_execute(&insert).await.unwrap_err();
        assert!(format!("{refused:?}").contains("violates check constraint"), "{columns}: {refused:?}");
    }
}

/// A flood is read page by page, and what commits between two pages is not lost.
#[tokio::test]
async fn a_flood_is_read_whole() {
    let world = World::new().await;
    let mut reader = Reader::new(&world);
    reader.read().await;
    let slow = world.database.client().await;
    slow.batch_execute("BEGIN").await.unwrap();
    let late = revoke(&slow, 600.0).await;
    let flood = "INSERT INTO revocations (kind, session_id, expires_at) \
                 SELECT 'session', gen_random_uuid(), now() + interval '10 min' FROM generate_series(1, 20000)";
    for _ in 0..2 {
        world.sql.batch_execute(flood).await.unwrap();
    }
    let reading = async { (reader.read().await, reader.read().await) };
    let (read, ()) = tokio::join!(reading, async { slow.batch_execute("COMMIT").await.unwrap() });
    let mut found = [read.0, read.1].concat();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 40_001);
    assert!(found.contains(&late));
}

#[tokio::test]
async fn a_poll_does_not_look_at_what_it_knows() {
    let world = World::new().await;
    let flood = "DO $$ BEGIN FOR i IN 1..20000 LOOP \
                 INSERT INTO revocations (kind, session_id, expires_at) \
                 VALUES ('session', gen_random_uuid(), now() + interval '1 hour'); COMMIT; \
                 END LOOP; END $$";
    world.sql.batch_execute(flood).await.unwrap();
    world.sql.batch_execute("ANALYZE revocations").await.unwrap();
    assert_eq!(Reader::new(&world).read().await.len(), 20_000);
    let open = world.database.client().await;
    open.batch_execute("BEGIN").await.unwrap();
    let late = revoke(&open, 60.0).await;
    let snapshot: String =
        world.sql.query_one("SELECT pg_current_snapshot()::text", &[]).await.unwrap().get(0);
    open.batch_execute("COMMIT").await.unwrap();
    let statement = include_str!("../revocations.sql");
    let explain = format!(
        "EXPLAIN ANALYZE WITH given (after, beyond) AS NOT MATERIALIZED (SELECT '{snapshot}', 0) {statement}"
    );
    let plan: Vec<String> =
        world.sql.query(&explain, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let looks = ["Seq Scan on revocations", "revocations_pkey"];
    assert!(!plan.iter().any(|line| looks.iter().any(|look| line.contains(look))), "{late:?} {plan:#?}");
}
