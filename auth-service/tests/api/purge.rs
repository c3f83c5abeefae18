//! What is over goes, by itself and in one replica at a time.

use auth_service::db::job_lock::{Job, JobLock};
use auth_service::db::purge::{BATCH, Expired};
use auth_service::jobs::purge::Purge;
use test_support::eventually;
use test_support::tokio_postgres::Client;

use crate::support::TestApp;

async fn count(sql: &Client, query: &str) -> i64 {
    sql.query_one(query, &[]).await.unwrap().get(0)
}

/// More than a batch of each, and one of each that stays. UUIDv7s are as old as their rows.
async fn fill(sql: &Client) {
    let rows = 2 * BATCH + 500;
    let old_id = "(overlay(lpad(to_hex((extract(epoch FROM now() - interval '91 days') * 1000)::bigint), 12, '0') \
                  || replace(gen_random_uuid()::text, '-', '') PLACING '7' FROM 13))::text";
    let fill = format!(
        "INSERT INTO users (id, email, password_hash, role) \
             VALUES ('01937e5c-2f6a-7c3e-9f10-3b1d2c4e5f60', 'ann@example.com', '', 'USER'); \
         INSERT INTO sessions (id, user_id, created_at, expires_at, rotated_at, epoch, nonce_hash, delivery, amr) \
             SELECT gen_random_uuid(), '01937e5c-2f6a-7c3e-9f10-3b1d2c4e5f60', now(), \
                    now() + CASE WHEN row = 0 THEN interval '1 hour' ELSE interval '-100 seconds' END, \
                    now(), 0, sha256(''), 'cookie', '{{}}' FROM generate_series(0, {rows}) AS row; \
         INSERT INTO revocations (kind, session_id, expires_at) \
             SELECT 'session', gen_random_uuid(), \
                    now() + CASE WHEN row = 0 THEN interval '1 hour' ELSE interval '-100 seconds' END \
             FROM generate_series(0, {rows}) AS row; \
         INSERT INTO audit_events (id, at, kind) \
             SELECT left({old_id}, 32)::uuid, now() - interval '91 days', 'login' FROM generate_series(1, {rows}); \
         INSERT INTO audit_events (id, at, kind) \
             VALUES ('ffffffff-ffff-7fff-bfff-ffffffffffff', now() - interval '89 days', 'login'); \
         INSERT INTO throttles (key, failures, expires_at) \
             SELECT decode(md5(row::text), 'hex'), 1, \
                    now() + CASE WHEN row = 0 THEN interval '1 hour' ELSE interval '-100 seconds' END \
             FROM generate_series(0, {rows}) AS row; \
         INSERT INTO login_addresses (user_id, address, last_used_at) \
             SELECT '01937e5c-2f6a-7c3e-9f10-3b1d2c4e5f60', decode(md5(row::text), 'hex'), \
                    now() - CASE WHEN row = 0 THEN interval '179 days' ELSE interval '181 days' END \
             FROM generate_series(0, {rows}) AS row; \
         INSERT INTO outbox (id, kind, user_id, recipient, expires_at, settled_at, outcome) \
             SELECT gen_random_uuid(), 'new_device', '01937e5c-2f6a-7c3e-9f10-3b1d2c4e5f60', 'ann@example.com', now(), \
                    now() - CASE WHEN row = 0 THEN interval '6 days' ELSE interval '8 days' END, 'sent' \
             FROM generate_series(0, {rows}) AS row; \
         INSERT INTO users (id, email, password_hash, role) \
             SELECT gen_random_uuid(), row::text, '', 'USER' FROM generate_series(0, {rows}) AS row; \
         INSERT INTO mail_tokens (user_id, purpose, token_hash, email, epoch, expires_at) \
             SELECT id, 'verify_email', sha256(email::bytea), email, 0, \
                    now() + CASE WHEN email = '0' THEN interval '1 hour' ELSE interval '-100 seconds' END \
             FROM users WHERE email <> 'ann@example.com';"
    );
    // The start has recorded that it made a key.
    sql.batch_execute("DELETE FROM audit_events").await.unwrap();
    sql.batch_execute(&fill).await.unwrap();
}

async fn left(sql: &Client) -> Vec<i64> {
    let mut left = Vec::new();
    for what in Expired::ALL {
        left.push(count(sql, &format!("SELECT count(*) FROM {}", what.table())).await);
    }
    left
}

#[tokio::test]
async fn what_is_over_goes_and_what_is_not_stays() {
    let app = TestApp::start().await;
    let sql = app.sql().await;
    fill(&sql).await;
    let purge = Purge::new(&app.app, &app.config);
    purge.measure().await;
    let behind = app.app.metrics.encode();
    assert!(behind.contains(r#"auth_purge_lag_seconds{table="sessions"} 100."#), "{behind}");
    assert!(behind.contains(r#"auth_purge_lag_seconds{table="audit_events"} 86400."#), "{behind}");

    assert!(purge.round().await.unwrap());
    purge.measure().await;
    assert_eq!(left(&sql).await, vec![1; Expired::ALL.len()]);
    let done = app.app.metrics.encode();
    for what in Expired::ALL {
        let table = what.table();
        let rows = format!(r#"auth_purged_rows_total{{table="{table}"}} {}"#, 2 * BATCH + 500);
        assert!(done.contains(&rows), "{rows} is not in\n{done}");
        let lag = format!(r#"auth_purge_lag_seconds{{table="{table}"}} 0.0"#);
        assert!(done.contains(&lag), "{lag} is not in\n{done}");
    }
}

#[tokio::test]
async fn of_two_replicas_one_purges_and_the_other_may_when_it_is_gone() {
    let app = TestApp::start().await;
    let replica = app.replica(&[]).await;
    let sql = app.sql().await;
    fill(&sql).await;
    let direct = &app.config.database.direct;
    let held = JobLock::try_take(direct, Job::Purge).await.unwrap().expect("nobody has it");
    let purge = Purge::new(&replica.app, &replica.config);
    assert!(!purge.round().await.unwrap(), "somebody is at it");
    assert_eq!(left(&sql).await[0], i64::try_from(2 * BATCH + 501).unwrap());

    // As if that process had been killed.
    drop(held);
    eventually("the lock is free", async || purge.round().await.unwrap().then_some(())).await;
    assert_eq!(left(&sql).await, vec![1; Expired::ALL.len()]);
}

#[tokio::test]
async fn two_replicas_at_once_take_every_row_away_once() {
    let app = TestApp::start().await;
    let replica = app.replica(&[]).await;
    let sql = app.sql().await;
    fill(&sql).await;
    let (one, other) = (Purge::new(&app.app, &app.config), Purge::new(&replica.app, &replica.config));
    let (one, other) = tokio::join!(one.round(), other.round());
    assert!(one.unwrap() || other.unwrap());
    assert_eq!(left(&sql).await, vec![1; Expired::ALL.len()]);
    let rows = |metrics: String| -> usize {
        let line = metrics.lines().find_map(|line| {
            line.strip_prefix(r#"auth_purged_rows_total{table="sessions"} "#).map(str::to_owned)
        });
        line.map_or(0, |count| count.parse().unwrap())
    };
    assert_eq!(rows(app.app.metrics.encode()) + rows(replica.app.metrics.encode()), 2 * BATCH + 500);
}

#[tokio::test]
async fn a_purge_whose_backend_dies_goes_on_in_the_next_round() {
    let app = TestApp::start().await;
    let sql = app.sql().await;
    fill(&sql).await;
    let mut lock = JobLock::try_take(&app.config.database.direct, Job::Purge).await.unwrap().unwrap();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2";
    sql.execute(kill, &[]).await.unwrap();
    assert!(Expired::Sessions.remove_batch(&mut lock, std::time::Duration::ZERO).await.is_err());
    let purge = Purge::new(&app.app, &app.config);
    assert!(purge.round().await.unwrap());
    assert_eq!(left(&sql).await, vec![1; Expired::ALL.len()]);
}
