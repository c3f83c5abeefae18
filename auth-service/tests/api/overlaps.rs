//! Logins and refreshes that overlap what ends them, over two replicas: none survives, and neither does a token that one of
//! them answered.

use std::sync::Arc;

use access_token::Claims;
use axum::http::StatusCode;
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::support::{Actor, Gateway, PASSWORD, Reply, TestApp};

const NEW: &str = "a lamp in the fog, at last";
/// So many log in, and as many refresh.
const RACERS: usize = 100;
/// So many have been answered when the change begins: it comes into the middle of the race.
const UNDER_WAY: u32 = 30;

/// Somebody in the race, and what they were answered.
type Racer = JoinHandle<(Actor, Reply)>;

fn refreshes(actors: &[Actor], gateways: &[Gateway; 2], answered: &Arc<Semaphore>) -> Vec<Racer> {
    let racers = actors.iter().enumerate().map(|(turn, actor)| actor.at(&gateways[turn % 2]));
    racers
        .map(|mut actor| {
            let answered = Arc::clone(answered);
            tokio::spawn(async move {
                let reply = actor.refresh().await;
                answered.add_permits(1);
                (actor, reply)
            })
        })
        .collect()
}

fn logins(
    app: &TestApp,
    name: &'static str,
    gateways: &[Gateway; 2],
    answered: &Arc<Semaphore>,
) -> Vec<Racer> {
    (0..RACERS)
        .map(|turn| {
            let mut actor = app.visitor().at(&gateways[turn % 2]);
            let answered = Arc::clone(answered);
            tokio::spawn(async move {
                let reply = actor.log_in(name).await;
                answered.add_permits(1);
                (actor, reply)
            })
        })
        .collect()
}

async fn logged_in(app: &TestApp, name: &str) -> Vec<Actor> {
    join_all((0..RACERS).map(async |_racer| {
        let mut actor = app.visitor();
        actor.log_in(name).await.expect(200);
        actor
    }))
    .await
}

/// A change, repeated while the service says that it is too busy.
async fn insist(request: impl AsyncFn() -> Reply) -> Reply {
    loop {
        let reply = request().await;
        if reply.status != StatusCode::SERVICE_UNAVAILABLE {
            return reply;
        }
    }
}

/// What came of a race: who still refreshes, and with what; and every access token of before that is still good.
struct Outcome {
    refreshing: Vec<(Actor, Claims)>,
    accepted: Vec<Claims>,
}

async fn outcome(app: &TestApp, racers: Vec<Racer>) -> Outcome {
    let (mut refreshing, mut accepted) = (Vec::new(), Vec::new());
    for racer in racers {
        let (mut actor, reply) = racer.await.unwrap();
        if reply.status == StatusCode::OK {
            let claims = app.verify(&reply.text("accessToken")).await;
            if app.is_accepted(&claims).await {
                accepted.push(claims);
            }
        } else {
            assert!(matches!(reply.status.as_u16(), 401 | 503), "{}", String::from_utf8_lossy(&reply.body));
        }
        if actor.has_cookie() {
            let reply = actor.refresh().await;
            if reply.status == StatusCode::OK {
                let claims = app.verify(&reply.text("accessToken")).await;
                refreshing.push((actor, claims));
            }
        }
    }
    Outcome { refreshing, accepted }
}

async fn epoch(app: &TestApp, user: &Actor) -> u32 {
    let query = "SELECT epoch FROM users WHERE id = $1::text::uuid";
    let row = app.sql().await.query_one(query, &[&user.identity.user]).await.unwrap();
    row.get::<_, i32>(0).try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_login_and_no_refresh_survives_a_password_change() {
    let app = TestApp::start().await;
    let replica = app.replica(&[]).await;
    replica.load_keys().await.unwrap();
    let gateways = [app.gateway.clone(), replica.gateway.clone()];
    let mut ann = app.customer("ann").await;
    let before = logged_in(&app, "ann").await;

    let answered = Arc::new(Semaphore::new(0));
    let mut racers = logins(&app, "ann", &gateways, &answered);
    racers.extend(refreshes(&before[..RACERS / 2], &gateways, &answered));
    drop(answered.acquire_many(UNDER_WAY).await.unwrap());
    let changed = insist(async || ann.change_password(PASSWORD, NEW).await).await;
    changed.expect(204);
    racers.extend(refreshes(&before[RACERS / 2..], &gateways, &answered));

    let outcome = outcome(&app, racers).await;
    assert!(outcome.refreshing.is_empty(), "{} sessions refresh", outcome.refreshing.len());
    assert!(outcome.accepted.is_empty(), "{} tokens are good", outcome.accepted.len());
    let claims = app.verify(&ann.refresh().await.expect(200).text("accessToken")).await;
    assert!(app.is_accepted(&claims).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_keeps_a_role_over_a_demotion_and_a_password_change() {
    let app = TestApp::start().await;
    let replica = app.replica(&[]).await;
    replica.load_keys().await.unwrap();
    let gateways = [app.gateway.clone(), replica.gateway.clone()];
    let root = app.admin("root").await.at(&replica.gateway);
    let eve = app.admin("eve").await;
    let before = logged_in(&app, "eve").await;

    let answered = Arc::new(Semaphore::new(0));
    let mut racers = logins(&app, "eve", &gateways, &answered);
    racers.extend(refreshes(&before, &gateways, &answered));
    let path = format!("/api/admin/users/{}", eve.identity.user);
    let demote = json!({"role": "USER"});
    drop(answered.acquire_many(UNDER_WAY).await.unwrap());
    let (demoted, changed) = tokio::join!(
        insist(async || root.patch(&path, &demote).await),
        insist(async || eve.change_password(PASSWORD, NEW).await),
    );
    demoted.expect(200);

    let (now, outcome) = (epoch(&app, &eve).await, outcome(&app, racers).await);
    let good = outcome.accepted.iter().chain(outcome.refreshing.iter().map(|(_, claims)| claims));
    for claims in good {
        assert_eq!((claims.role.as_deref(), claims.epoch), (Some("USER"), now), "{claims:?}");
    }
    if changed.status == StatusCode::NO_CONTENT {
        // All racers know the old password only, and the demotion came after the change.
        assert!(outcome.refreshing.is_empty());
    } else {
        // The demotion had ended the session that asked.
        changed.refused(401, "session_ended");
    }
}
