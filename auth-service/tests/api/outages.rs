//! PostgreSQL goes away and comes back.

use std::time::{Duration, Instant};

use process::private::Probe as _;
use serde_json::json;
use test_support::eventually;

use crate::jwks::jwks;
use time::OffsetDateTime;

use crate::support::{Actor, PASSWORD, PostgresProxy, TestApp, migrated_database};
use auth_service::readiness::Readiness;

async fn behind_a_proxy() -> (TestApp, PostgresProxy) {
    let database = migrated_database().await;
    let proxy = PostgresProxy::start(database.url()).await;
    let app = TestApp::start_on(database, proxy.url(), &[]).await;
    (app, proxy)
}

/// One of each request that needs the database.
async fn every_request_is_refused(ann: &Actor) {
    for reply in [
        ann.clone().refresh().await,
        ann.clone().log_out().await,
        ann.clone().log_in("ann").await,
        ann.get("/api/auth/me").await,
        ann.post("/api/auth/register", &json!({"email": "bob@example.com", "password": PASSWORD})).await,
    ] {
        let reply = reply.refused(503, "unavailable");
        assert!(reply.header("retry-after").is_some());
        assert!(reply.set_cookies().is_empty(), "nobody is logged out by an outage");
        assert!(!String::from_utf8_lossy(&reply.body).contains("database"), "a 5xx reveals nothing");
    }
}

#[tokio::test]
async fn while_it_is_away_every_request_says_so_within_a_second() {
    let (app, proxy) = behind_a_proxy().await;
    let mut ann = app.customer("ann").await;
    proxy.go_away();
    let begun = Instant::now();
    every_request_is_refused(&ann).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "five requests took {:?}", begun.elapsed());
    jwks(&app).await.expect(200);

    proxy.come_back();
    ann.refresh().await.expect(200);
}

#[tokio::test]
async fn while_it_hangs_too() {
    let (app, proxy) = behind_a_proxy().await;
    let mut ann = app.customer("ann").await;
    proxy.fall_silent();
    let begun = Instant::now();
    every_request_is_refused(&ann).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "five requests took {:?}", begun.elapsed());
    jwks(&app).await.expect(200);

    proxy.come_back();
    ann.refresh().await.expect(200);
}

#[tokio::test]
async fn readiness_tells() {
    let (app, proxy) = behind_a_proxy().await;
    let readiness = Readiness::new(std::sync::Arc::clone(&app.app));
    assert_eq!(readiness.ready().await.unwrap_err().0, ["starting or draining"]);
    readiness.set_listening(true);
    assert_eq!(readiness.ready().await, Ok(()));
    proxy.go_away();
    assert_eq!(readiness.ready().await.unwrap_err().0, ["database: away"]);
    proxy.come_back();
    assert_eq!(readiness.ready().await, Ok(()));
    app.sql().await.batch_execute("DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)").await.unwrap();
    assert!(readiness.ready().await.unwrap_err().0[0].starts_with("migrations: "));
    readiness.set_listening(false);
    assert_eq!(readiness.ready().await.unwrap_err().0[0], "starting or draining");
}

#[tokio::test]
async fn a_service_that_starts_without_its_database_waits_for_it() {
    let database = migrated_database().await;
    let proxy = PostgresProxy::start(database.url()).await;
    proxy.go_away();
    let url = proxy.url().to_owned();
    let app = TestApp::start_unprepared(database, &url, &[]);
    app.visitor().log_in("ann").await.refused(503, "unavailable");
    let readiness = Readiness::new(std::sync::Arc::clone(&app.app));
    assert_eq!(readiness.lacks().await.len(), 2, "no database and no key");
    let no_keys = jwks(&app).await.refused(503, "unavailable");
    assert_eq!(no_keys.header("cache-control"), Some("no-store"), "an empty set would be kept for minutes");

    let (service, config) = (std::sync::Arc::clone(&app.app), app.config.clone());
    tokio::spawn(async move { auth_service::preparation::prepare(&service, &config).await });
    proxy.come_back();
    eventually("the service is prepared", async || app.app.prepared.is_set().then_some(())).await;
    app.load_keys().await;
    app.customer("ann").await;
}

#[tokio::test]
async fn without_a_signing_key_nothing_is_written_and_nobody_loses_a_session() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    app.app.signing_keys.replace(Vec::new(), app.app.signing_keys.reading());
    ann.clone().refresh().await.refused(503, "unavailable");
    ann.clone().log_in("ann").await.refused(503, "unavailable");
    let sessions = app.sql().await.query("SELECT generation FROM sessions", &[]).await.unwrap();
    assert_eq!(sessions.iter().map(|row| row.get(0)).collect::<Vec<i64>>(), [0]);
    app.load_keys().await;
    app.let_pass("11 seconds").await;
    ann.refresh().await.expect(200);
}

/// Strict verifiers, PyJWT for one, refuse a token that is dated later than it is.
#[tokio::test]
async fn a_slow_database_dates_no_token_in_the_future() {
    let (app, proxy) = behind_a_proxy().await;
    proxy.fall_silent();
    let slow = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        proxy.come_back();
    };
    tokio::join!(app.load_keys(), slow);
    // The database's clock is this machine's.
    let now = OffsetDateTime::now_utc();
    let dated = app.app.signing_keys.database_time(now);
    assert!(dated <= now && now - dated < Duration::from_secs(2), "{dated}, and it is {now}");
}
