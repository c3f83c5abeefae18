//! More than one process on a database.

use auth_service::jobs::signing_keys::LoadError;
use auth_service::readiness::Readiness;
use auth_service::tokens::locksmith::NotDone;
use futures_util::future::join_all;
use process::private::Probe as _;

use crate::support::{JWT_SECRET, Reply, TestApp};

const OTHER_SECRET: &str = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_refreshes_over_two_replicas_are_one_rotation() {
    let app = TestApp::start().await;
    let replica = app.replica(&[]).await;
    replica.load_keys().await.unwrap();
    let ann = app.customer("ann").await;
    let replies: Vec<Reply> = join_all((0..100).map(|tab| {
        let gateway = if tab % 2 == 0 { &app.gateway } else { &replica.gateway };
        let mut tab = ann.at(gateway);
        async move { tab.refresh().await.expect(200) }
    }))
    .await;
    let first = &replies[0].set_cookies()[0].value;
    assert!(replies.iter().all(|reply| reply.set_cookies()[0].value == *first), "all hold the same token");
    let row = app.sql().await.query_one("SELECT generation FROM sessions", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_logout_at_one_replica_holds_at_the_other() {
    let app = TestApp::start().await;
    let replica = app.replica(&[]).await;
    let mut ann = app.customer("ann").await;
    let mut copy = ann.clone();
    ann.at(&replica.gateway).log_out().await.expect(204);
    ann.refresh().await.refused(401, "session_ended");
    copy.refresh().await.refused(401, "session_ended");
}

#[tokio::test]
async fn replicas_sign_with_the_same_key() {
    let app = TestApp::start().await;
    let replica = app.replica(&[]).await;
    replica.load_keys().await.unwrap();
    app.registered("ann").await;
    let mut ann = app.visitor().at(&replica.gateway);
    let reply = ann.log_in("ann").await.expect(200);
    // Verified with the keys that the first one publishes.
    app.verify(&reply.text("accessToken")).await;
}

#[tokio::test]
async fn jwt_secret_is_replaced_without_logging_anybody_out() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    let next = app.replica(&[("JWT_SECRET", OTHER_SECRET), ("JWT_SECRET_PREVIOUS", JWT_SECRET)]).await;
    next.load_keys().await.unwrap();
    ann = ann.at(&next.gateway);
    let reply = ann.refresh().await.expect(200);
    app.verify(&reply.text("accessToken")).await;
    app.let_pass("11 seconds").await;
    ann.refresh().await.expect(200);

    // Her token is under the new secret by now, which the old process does not know.
    ann.at(&app.gateway).refresh().await.refused(401, "invalid_token");
    ann.refresh().await.expect(200);
}

/// The first of the three rounds of `docs/operations.md`.
#[tokio::test]
async fn a_secret_that_every_replica_knows_beforehand_is_a_401_nowhere() {
    let app = TestApp::start_with(&[("JWT_SECRET_PREVIOUS", OTHER_SECRET)]).await;
    let mut ann = app.customer("ann").await;
    let next = app.replica(&[("JWT_SECRET", OTHER_SECRET), ("JWT_SECRET_PREVIOUS", JWT_SECRET)]).await;
    next.load_keys().await.unwrap();
    for _round in 0..2 {
        for gateway in [&next.gateway, &app.gateway] {
            ann = ann.at(gateway);
            let reply = ann.refresh().await.expect(200);
            app.verify(&reply.text("accessToken")).await;
            app.let_pass("11 seconds").await;
        }
    }
}

#[tokio::test]
async fn a_replica_with_a_foreign_secret_is_not_ready_and_makes_no_key() {
    let app = TestApp::start().await;
    let stranger = app.replica(&[("JWT_SECRET", OTHER_SECRET)]).await;
    assert!(matches!(stranger.load_keys().await, Err(LoadError::NotDone(NotDone::NoneOpens(1)))));
    let readiness = Readiness::new(std::sync::Arc::clone(&stranger.app));
    assert_eq!(readiness.ready().await.unwrap_err().0, ["signing key: none that can be used"]);

    let mut ann = app.customer("ann").await;
    ann.at(&stranger.gateway).log_in("ann").await.refused(503, "unavailable");
    ann.refresh().await.expect(200);
    let keys = app.sql().await.query_one("SELECT count(*) FROM signing_keys", &[]).await.unwrap();
    assert_eq!(keys.get::<_, i64>(0), 1);
}
