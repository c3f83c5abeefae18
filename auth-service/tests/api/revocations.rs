//! The feed, as a gateway has it: the router in process, a real database, and the job that reads it.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Method, Request};
use futures_util::future::join_all;
use serde_json::{Value, json};
use test_support::eventually;
use test_support::tokio_postgres::Client;
use uuid::Uuid;

use crate::support::{FEED, Identity, Job, PostgresProxy, Subscriber, TestApp, migrated_database};

/// Revokes a session behind everybody's back: nobody is told.
async fn revoke(sql: &Client, session: Uuid) {
    let insert = "INSERT INTO revocations (kind, session_id, expires_at) \
                  VALUES ('session', $1::text::uuid, now() + interval '10 min')";
    sql.execute(insert, &[&session.to_string()]).await.unwrap();
}

fn sids(entries: &[Value]) -> Vec<String> {
    entries.iter().map(|entry| entry["sid"].as_str().expect("a session").to_owned()).collect()
}

/// Waits until the service listens, which it does under the name of its connection's last statement.
async fn listener(sql: &Client) -> i32 {
    eventually("somebody listens", async || {
        let query = "SELECT pid FROM pg_stat_activity \
                     WHERE datname = current_database() AND query = 'LISTEN portcullis_revocations'";
        sql.query(query, &[]).await.unwrap().first().map(|row| row.get(0))
    })
    .await
}

#[tokio::test]
async fn a_logout_is_an_entry_and_an_answer_that_nobody_keeps() {
    let app = TestApp::start().await;
    let _job = Job::start(&app.app, &app.config);
    let mut subscriber = Subscriber::start(&app.gateway, None).await;
    assert_eq!(subscriber.headers["content-type"], "text/event-stream");
    assert_eq!(subscriber.headers["cache-control"], "no-store, no-transform");
    assert_eq!(subscriber.events.snapshot().await.0, [] as [Value; 0]);

    let mut ann = app.customer("ann").await;
    let session = ann.identity.session.clone();
    ann.log_out().await.expect(204);
    let event = subscriber.events.news().await;
    assert_eq!((event.kind.as_str(), &event.data["kind"]), ("revocation", &json!("session")));
    assert_eq!(event.data["sid"], session.as_str());
    assert!(event.data["expiresAt"].as_str().unwrap().ends_with('Z'));
    assert!(event.id.is_some(), "it is all that was read, so a cursor stands on it");
}

#[tokio::test]
async fn a_revocation_through_one_replica_is_at_the_subscribers_of_the_other_in_milliseconds() {
    let app = TestApp::start().await;
    let replica = app.replica(&[]).await;
    let _jobs = [Job::start(&app.app, &app.config), Job::start(&replica.app, &replica.config)];
    let sql = app.sql().await;
    eventually("both listen", async || {
        let query = "SELECT count(*) FROM pg_stat_activity \
                     WHERE datname = current_database() AND query = 'LISTEN portcullis_revocations'";
        (sql.query_one(query, &[]).await.unwrap().get::<_, i64>(0) == 2).then_some(())
    })
    .await;
    let mut subscriber = Subscriber::start(&replica.gateway, None).await;
    subscriber.events.snapshot().await;
    let mut delays = Vec::new();
    for _ in 0..15 {
        let session = Uuid::now_v7();
        revoke(&sql, session).await;
        let begun = Instant::now();
        app.app.announcer.announce();
        assert_eq!(subscriber.events.news().await.data["sid"], session.to_string());
        delays.push(begun.elapsed());
    }
    delays.sort();
    assert!(delays[7] < Duration::from_millis(250), "polls would take longer: {delays:?}");
}

#[tokio::test]
async fn a_lost_notification_costs_a_second() {
    let app = TestApp::start().await;
    let _job = Job::start(&app.app, &app.config);
    let mut subscriber = Subscriber::start(&app.gateway, None).await;
    subscriber.events.snapshot().await;
    let session = Uuid::now_v7();
    revoke(&app.sql().await, session).await;
    assert_eq!(subscriber.events.news().await.data["sid"], session.to_string());
}

#[tokio::test]
async fn a_subscriber_with_a_cursor_gets_what_it_lacks_and_any_other_gets_everything() {
    let app = TestApp::start().await;
    let replica = app.replica(&[]).await;
    let _jobs = [Job::start(&app.app, &app.config), Job::start(&replica.app, &replica.config)];
    let sql = app.sql().await;
    let [old, new] = [Uuid::now_v7(), Uuid::now_v7()];
    revoke(&sql, old).await;
    let mut subscriber = Subscriber::start(&app.gateway, None).await;
    let (entries, _) = subscriber.events.snapshot().await;
    assert_eq!(sids(&entries), [old.to_string()]);
    // A cursor of a read that began when the first one was known.
    let cursor = eventually("a heartbeat beyond it", async || {
        let beat = subscriber.events.event().await.unwrap();
        let number = |id: &str| id.rsplit_once('.').unwrap().1.parse::<i64>().unwrap();
        let xid: i64 =
            sql.query_one("SELECT max(xid::text::bigint) FROM revocations", &[]).await.unwrap().get(0);
        beat.id.filter(|id| number(id) > xid)
    })
    .await;
    drop(subscriber);
    revoke(&sql, new).await;
    app.app.announcer.announce();

    // Whichever replica it comes back to.
    for gateway in [&app.gateway, &replica.gateway] {
        let mut resumed = Subscriber::start(gateway, Some(&cursor)).await.events;
        let (mut entries, id) = resumed.snapshot().await;
        if entries.is_empty() {
            entries.push(resumed.news().await.data);
        }
        assert_eq!(sids(&entries), [new.to_string()]);
        assert_eq!(id.rsplit_once('.').unwrap().0, cursor.rsplit_once('.').unwrap().0);
    }
    for foreign in ["", "nonsense", "0b6f9a52c41e4d0c9a3f5d7e8c1b2a30-1.99999999999"] {
        let (entries, _) = Subscriber::start(&app.gateway, Some(foreign)).await.events.snapshot().await;
        assert_eq!(entries.len(), 2, "{foreign:?}");
    }
}

#[tokio::test]
async fn a_listener_whose_backend_dies_listens_again() {
    let app = TestApp::start().await;
    let replica = app.replica(&[]).await;
    let _job = Job::start(&app.app, &app.config);
    let sql = app.sql().await;
    let before = listener(&sql).await;
    sql.execute("SELECT pg_terminate_backend($1)", &[&before]).await.unwrap();
    eventually("somebody else listens", async || (listener(&sql).await != before).then_some(())).await;
    let _other = Job::start(&replica.app, &replica.config);
    let mut subscriber = Subscriber::start(&app.gateway, None).await;
    subscriber.events.snapshot().await;
    let session = Uuid::now_v7();
    revoke(&sql, session).await;
    replica.app.announcer.announce();
    assert_eq!(subscriber.events.news().await.data["sid"], session.to_string());
}

#[tokio::test]
async fn without_its_database_the_feed_goes_on_from_memory_and_claims_nothing() {
    let database = migrated_database().await;
    let proxy = PostgresProxy::start(database.url()).await;
    let app = TestApp::start_on(database, proxy.url(), &[]).await;
    let _job = Job::start(&app.app, &app.config);
    let sql = app.sql().await;
    let [known, new] = [Uuid::now_v7(), Uuid::now_v7()];
    revoke(&sql, known).await;
    let mut subscriber = Subscriber::start(&app.gateway, None).await;
    eventually("it is known", async || (app.app.feed.status(Instant::now()).entries == 1).then_some(()))
        .await;
    proxy.go_away();
    eventually("the feed is silent", async || {
        let block = subscriber.events.block().await.unwrap();
        (block == ": the database cannot be read").then_some(())
    })
    .await;
    revoke(&sql, new).await;

    let mut late = Subscriber::start(&app.gateway, None).await;
    assert_eq!(late.events.event().await.unwrap().data["sid"], known.to_string());
    assert_eq!(late.events.block().await.unwrap(), ": the database cannot be read", "and no snapshot");

    proxy.come_back();
    assert_eq!(late.events.news().await.data["sid"], new.to_string());
    assert_eq!(late.events.news().await.kind, "snapshot");
    assert_eq!(subscriber.events.news().await.data["sid"], new.to_string());
}

#[tokio::test]
async fn a_stream_ends_when_its_replica_drains_and_with_its_subscriber() {
    let app = TestApp::start().await;
    let _job = Job::start(&app.app, &app.config);
    let mut leaves = Subscriber::start(&app.gateway, None).await.events;
    leaves.snapshot().await;
    drop(leaves);
    let subscribers = || app.app.feed.status(Instant::now()).subscribers;
    eventually("its place is free", async || (subscribers() == 0).then_some(())).await;

    let mut stays = Subscriber::start(&app.gateway, None).await.events;
    stays.snapshot().await;
    app.app.feed.drain();
    while stays.event().await.is_some() {}
    assert!(
        Subscriber::start(&app.gateway, None).await.events.event().await.is_none(),
        "nor does a new one begin"
    );
}

#[tokio::test]
async fn only_the_gateway_itself_is_answered() {
    let app = TestApp::start().await;
    let request = || Request::get(FEED).body(Body::empty()).unwrap();
    app.gateway.send_unsigned(request()).await.refused(401, "identity_required");
    let anonymous = Identity::default();
    app.gateway.forward(request(), &anonymous, "203.0.113.7").await.refused(403, "forbidden");
    let ann = app.customer("ann").await;
    ann.forward(ann.request(Method::GET, FEED).body(Body::empty()).unwrap()).await.refused(403, "forbidden");
}

#[tokio::test]
async fn there_are_only_so_many_places() {
    let app = TestApp::start().await;
    let places = auth_service::revocations::feed::PLACES;
    let streams = join_all((0..places).map(|_| Subscriber::start(&app.gateway, None))).await;
    let full = app.app.feed.subscribe(None);
    assert!(full.is_err(), "{places} streams are open");
    drop(streams);
    eventually("places are free", async || app.app.feed.subscribe(None).ok()).await;
}

#[tokio::test]
async fn two_feeds_that_find_no_incarnation_agree_on_one() {
    let app = TestApp::start().await;
    let replica = app.replica(&[]).await;
    let _jobs = [Job::start(&app.app, &app.config), Job::start(&replica.app, &replica.config)];
    let mut identities = Vec::new();
    for gateway in [&app.gateway, &replica.gateway] {
        let (_, id) = Subscriber::start(gateway, None).await.events.snapshot().await;
        identities.push(id.rsplit_once('.').unwrap().0.to_owned());
    }
    assert_eq!(identities[0], identities[1]);
}

#[tokio::test]
async fn the_operator_sees_how_the_feed_stands() {
    let app = TestApp::start().await;
    let _job = Job::start(&app.app, &app.config);
    revoke(&app.sql().await, Uuid::now_v7()).await;
    let mut subscriber = Subscriber::start(&app.gateway, None).await.events;
    subscriber.snapshot().await;
    let metrics = app.app.metrics.encode();
    for line in
        ["auth_revocations 1", "auth_revocation_subscribers 1", "auth_revocation_subscribers_cut_total 0"]
    {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let lag = metrics.lines().find_map(|line| line.strip_prefix("auth_revocation_lag_seconds ")).unwrap();
    assert!(lag.parse::<f64>().unwrap() < 10.0, "it has just been read: {lag}");
}

/// `LISTEN` needs the server itself; everything else goes the way of the requests.
#[tokio::test]
async fn without_a_way_to_listen_the_feed_still_reads_every_second() {
    let app =
        TestApp::start_with(&[("DATABASE_DIRECT_URL", "postgres://postgres@127.0.0.1:1/nothing")]).await;
    let _job = Job::start(&app.app, &app.config);
    let mut subscriber = Subscriber::start(&app.gateway, None).await.events;
    subscriber.snapshot().await;
    let session = Uuid::now_v7();
    revoke(&app.sql().await, session).await;
    assert_eq!(subscriber.news().await.data["sid"], session.to_string());
}
