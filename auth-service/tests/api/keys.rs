//! `auth-service keys`, on a database on which the service runs.

use axum::http::Request;
use process::Mode;
use serde_json::{Value, json};
use test_support::{TestDatabase, eventually};

use crate::support::{Environment, JWT_SECRET, PASSWORD, Service, complaint, environment, run, stdout};

const OTHER_SECRET: &str = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";

/// The columns of `keys list`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    kid: String,
    state: String,
    secret: String,
}

fn list(environment: &Environment) -> Vec<Key> {
    let listed = stdout(&run(&["keys", "list"], environment, ""));
    let keys = listed.lines().map(|line| {
        let columns: Vec<_> = line.split('\t').collect();
        let [kid, "ES256", created, begins, state, secret] = columns[..] else { panic!("{line}") };
        assert!(created.ends_with('Z') && begins.ends_with('Z'), "{line}");
        Key { kid: kid.to_owned(), state: state.to_owned(), secret: secret.to_owned() }
    });
    keys.collect()
}

fn states(environment: &Environment) -> Vec<String> {
    list(environment).into_iter().map(|key| key.state).collect()
}

fn development(database: &TestDatabase, changes: &[(&str, &str)]) -> Environment {
    let usual = [("ALLOW_BOOTSTRAP", "false"), ("KEY_PUBLISH_AHEAD", "5s")];
    let changes: Vec<_> = usual.iter().chain(changes).copied().collect();
    environment(Mode::Development, database, &changes)
}

/// The names of the keys that a service publishes.
async fn published(service: &Service) -> Vec<String> {
    let request = Request::get("/.well-known/jwks.json").body(String::new()).unwrap();
    let keys: Value = service.send(request).await.json().await.unwrap();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn log_in(service: &Service) -> String {
    let body = json!({"email": "ann@example.com", "password": PASSWORD}).to_string();
    let request = Request::post("/api/auth/login").header("content-type", "application/json").body(body);
    let answer: Value = service.send(request.unwrap()).await.json().await.unwrap();
    answer["accessToken"].as_str().unwrap().to_owned()
}

/// The key that a token names.
fn key_of(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

#[tokio::test]
async fn a_key_is_published_by_every_replica_and_then_signs_at_every_replica() {
    let database = TestDatabase::empty().await;
    let environment = development(&database, &[]);
    let one = Service::start(environment.clone()).ready().await;
    let other = Service::start(environment.clone()).ready().await;
    let made =
        run(&["users", "create", "--email", "ann@example.com"], &environment, &format!("{PASSWORD}\n"));
    assert!(made.status.success());
    let first = list(&environment)[0].kid.clone();
    assert_eq!(key_of(&log_in(&one).await), first);

    let rotated = stdout(&run(&["keys", "rotate"], &environment, ""));
    let next = rotated.split(' ').next().unwrap().to_owned();
    assert!(rotated.contains(" signs from 20") && next != first, "{rotated}");
    assert_eq!(stdout(&run(&["keys", "rotate"], &environment, "")), rotated, "there is a next key already");
    for service in [&one, &other] {
        eventually("the next key is published", async || {
            published(service).await.contains(&next).then_some(())
        })
        .await;
    }
    for service in [&one, &other] {
        eventually("the next key signs", async || (key_of(&log_in(service).await) == next).then_some(()))
            .await;
        assert!(published(service).await.contains(&first), "its tokens are alive");
    }
    assert_eq!(states(&environment), ["published", "signing"]);
}

#[tokio::test]
async fn a_revoked_key_is_gone_from_every_replica_and_another_signs() {
    let database = TestDatabase::empty().await;
    let environment = development(&database, &[]);
    let one = Service::start(environment.clone()).ready().await;
    let other = Service::start(environment.clone()).ready().await;
    let first = list(&environment)[0].kid.clone();

    let revoked = stdout(&run(&["keys", "revoke", &first], &environment, ""));
    let signing = list(&environment);
    let new = signing[0].kid.clone();
    assert_eq!(revoked, format!("{first} is revoked\n{new} signs now\n"));
    assert_eq!((signing.len(), signing[0].state.as_str()), (1, "signing"));
    for service in [&one, &other] {
        eventually("only the new key is published", async || {
            (published(service).await == [new.clone()]).then_some(())
        })
        .await;
    }
    let row = "SELECT count(*) FROM revocations WHERE kind = 'key' AND kid = $1";
    let sql = database.client().await;
    assert_eq!(sql.query_one(row, &[&first]).await.unwrap().get::<_, i64>(0), 1);

    let unknown = complaint(&run(&["keys", "revoke", &first], &environment, ""));
    assert!(unknown.contains(&format!("there is no signing key {first}")), "{unknown}");
}

/// What `keys reencrypt` says of the signing keys, in its first line.
fn reencrypted(environment: &Environment) -> String {
    stdout(&run(&["keys", "reencrypt"], environment, "")).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn keys_move_to_a_new_secret_and_the_old_one_is_forgotten() {
    let database = TestDatabase::empty().await;
    let old = development(&database, &[]);
    let moving = development(&database, &[("JWT_SECRET", OTHER_SECRET), ("JWT_SECRET_PREVIOUS", JWT_SECRET)]);
    let new = development(&database, &[("JWT_SECRET", OTHER_SECRET)]);
    let service = Service::start(old.clone()).ready().await;
    let before = list(&old);
    drop(service);

    let foreign = complaint(&run(&["keys", "list"], &new, ""));
    assert!(foreign.contains("JWT_SECRET opens none of the 1 signing keys"), "{foreign}");
    assert_eq!(reencrypted(&moving), "1 moved to the current JWT_SECRET");
    assert_eq!(reencrypted(&moving), "0 moved to the current JWT_SECRET");
    let after = list(&new);
    assert_eq!((&after[0].kid, &after[0].state), (&before[0].kid, &before[0].state));
    assert_ne!(after[0].secret, before[0].secret);
    Service::start(new).ready().await;
}

#[tokio::test]
async fn a_row_that_does_not_open_is_listed_as_refused_complained_of_once_and_can_be_taken_away() {
    let database = TestDatabase::empty().await;
    let environment = development(&database, &[("LOG_FORMAT", "json")]);
    let mut service = Service::start(environment.clone()).ready().await;
    let forged = "INSERT INTO signing_keys SELECT 'forged', algorithm, created_at, now(), secret_id, sealed FROM signing_keys";
    database.client().await.batch_execute(forged).await.unwrap();

    service.process.line_with("a signing key is left out").await;
    assert_eq!(states(&environment), ["signing", "refused"]);
    let reencrypted = complaint(&run(&["keys", "reencrypt"], &environment, ""));
    assert!(reencrypted.contains("opens forged"), "{reencrypted}");
    eventually("it is counted", async || {
        let (_, metrics) = service.private("/metrics").await?;
        metrics.contains("auth_signing_keys_refused 1").then_some(())
    })
    .await;
    assert_eq!(stdout(&run(&["keys", "revoke", "forged"], &environment, "")), "forged is revoked\n");
    eventually("nothing is refused", async || {
        let (_, metrics) = service.private("/metrics").await?;
        metrics.contains("auth_signing_keys_refused 0").then_some(())
    })
    .await;
    service.process.stop().await;
    let complaints = service.process.lines().into_iter().filter(|line| line.contains("is left out"));
    assert_eq!(complaints.count(), 1);
}

#[tokio::test]
async fn keys_rotate_by_themselves() {
    let database = TestDatabase::empty().await;
    let quick = [("KEY_ROTATION", "10s"), ("JWT_ACCESS_TTL", "1s")];
    let environment = development(&database, &quick);
    let service = Service::start(environment.clone()).ready().await;
    let first = published(&service).await;
    eventually("a next key is published", async || {
        let keys = published(&service).await;
        (keys.len() == 2 && keys.contains(&first[0])).then_some(())
    })
    .await;
    assert_eq!(states(&environment), ["signing", "next"]);
}
