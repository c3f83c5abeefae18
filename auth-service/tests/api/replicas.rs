//! More than one process on a database.

use auth_service::db::signing_keys;
use auth_service::jobs::signing_keys::LoadError;
use auth_service::readiness::Readiness;
use auth_service::tokens::locksmith::NotDone;
use futures_util::future::join_all;

use crate::support::{IDENTITY_KEY, JWT_SECRET, Replica, Reply, TestApp};

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
async fn a_logout_is_remembered_until_the_tokens_of_a_longer_access_ttl_are_dead() {
    let app = TestApp::start_with(&[("JWT_ACCESS_TTL", "2h")]).await;
    let ann = app.customer("ann").await;
    let replica = app.replica(&[("JWT_ACCESS_TTL", "1m")]).await;
    replica.load_keys().await.unwrap();
    ann.at(&replica.gateway).log_out().await.expect(204);
    let lasts = "SELECT expires_at > now() + interval '2 hours' FROM revocations";
    assert!(app.sql().await.query_one(lasts, &[]).await.unwrap().get::<_, bool>(0));
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
    assert_eq!(readiness.lacks().await, ["signing key: none that can be used"]);

    let mut ann = app.customer("ann").await;
    ann.at(&stranger.gateway).log_in("ann").await.refused(503, "unavailable");
    ann.refresh().await.expect(200);
    let keys = app.sql().await.query_one("SELECT count(*) FROM signing_keys", &[]).await.unwrap();
    assert_eq!(keys.get::<_, i64>(0), 1);
}

/// The steps of `docs/operations.md`, "Replacing secrets": the settings of a replica at each, and of those that are still at the
/// step before.
#[tokio::test]
async fn at_every_step_of_replacing_jwt_secret_old_and_new_replicas_work_side_by_side() {
    let old = [("JWT_SECRET", JWT_SECRET)];
    let known = [("JWT_SECRET", JWT_SECRET), ("JWT_SECRET_PREVIOUS", OTHER_SECRET)];
    let swapped = [("JWT_SECRET", OTHER_SECRET), ("JWT_SECRET_PREVIOUS", JWT_SECRET)];
    let new = [("JWT_SECRET", OTHER_SECRET)];
    let app = TestApp::start().await;
    app.registered("bob").await;
    let mut ann = app.customer("ann").await;
    let steps: [[&[(&str, &str)]; 2]; 7] = [
        [&old, &old],
        [&old, &known],
        [&known, &known],
        [&known, &swapped],
        [&swapped, &swapped],
        [&swapped, &new],
        [&new, &new],
    ];
    for (number, settings) in steps.into_iter().enumerate() {
        if number == 5 {
            // Every session rotates once more, and the keys are moved.
            app.let_pass("11 seconds").await;
            let replica = app.replica(&swapped).await;
            replica.load_keys().await.unwrap();
            ann = ann.at(&replica.gateway);
            ann.refresh().await.expect(200);
            reencrypt_keys(&replica).await;
        }
        let replicas = [app.replica(settings[0]).await, app.replica(settings[1]).await];
        for replica in &replicas {
            replica.load_keys().await.unwrap();
        }
        assert_eq!(replicas[0].app.signing_keys.jwks(), replicas[1].app.signing_keys.jwks(), "step {number}");
        for replica in replicas.iter().chain(&replicas) {
            app.let_pass("11 seconds").await;
            ann = ann.at(&replica.gateway);
            let refreshed = ann.refresh().await.expect(200);
            app.verify(&refreshed.text("accessToken")).await;
            let login = app.visitor().at(&replica.gateway).log_in("bob").await.expect(200);
            app.verify(&login.text("accessToken")).await;
        }
    }
}

/// What `auth-service keys reencrypt` does.
async fn reencrypt_keys(replica: &Replica) {
    let locksmith = replica.config.tokens.locksmith();
    let done = signing_keys::change(&replica.app.database, |stored| locksmith.reencrypt(stored)).await;
    assert_eq!(done.unwrap().unwrap().outcome.moved, 1);
}

#[tokio::test]
async fn a_service_knows_the_gateway_by_the_identity_key_and_by_the_previous_one() {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    // The gateway signs with the old one still, and with the new one already.
    for settings in [
        [("IDENTITY_KEY", OTHER_SECRET), ("IDENTITY_KEY_PREVIOUS", IDENTITY_KEY)],
        [("IDENTITY_KEY", IDENTITY_KEY), ("IDENTITY_KEY_PREVIOUS", OTHER_SECRET)],
    ] {
        let service = app.replica(&settings).await;
        ann.at(&service.gateway).get("/api/auth/me").await.expect(200);
    }
    let stranger = app.replica(&[("IDENTITY_KEY", OTHER_SECRET)]).await;
    ann.at(&stranger.gateway).get("/api/auth/me").await.refused(401, "identity_required");
}
