//! A client's life: made, given other secrets, deleted, made again.

use std::time::Duration;

use super::actors::World;
use crate::clients::authenticate::{By, NotTheClient, decide};
use crate::clients::{Client, ClientId, ClientSecret, Scopes};
use crate::db::clients::{NotMade, ask, create, delete, list, rotate};
use crate::db::revocations;
use crate::revocations::Subject;

fn billing() -> ClientId {
    "billing".parse().unwrap()
}

fn scopes() -> Scopes {
    Scopes::granted(["orders:read".to_owned(), "introspect".to_owned()]).unwrap()
}

async fn made(world: &World) -> ClientSecret {
    let secret = ClientSecret::generate();
    create(&world.db, &billing(), secret.hash(), &scopes()).await.unwrap();
    secret
}

async fn found(world: &World) -> Option<Client> {
    ask(&world.db, &billing(), None).await.unwrap().client
}

async fn knows(world: &World, secret: &ClientSecret) -> Result<By, NotTheClient> {
    let answer = ask(&world.db, &billing(), None).await.unwrap();
    decide(answer.client.as_ref(), &secret.hash(), answer.now)
}

/// The least epochs that the feed tells of this client, in the order in which they were written.
async fn revoked(world: &World) -> Vec<i32> {
    let (news, _) = revocations::read(&world.db, None).await.unwrap();
    let of_client = news.entries.into_iter().map(|(_, entry)| entry);
    of_client
        .filter(|entry| entry.subject == Subject::Client("billing".into()))
        .map(|entry| entry.least_epoch)
        .collect()
}

async fn audited(world: &World) -> Vec<(String, serde_json::Value)> {
    let query =
        "SELECT kind, detail::text FROM audit_events WHERE detail->>'clientId' = 'billing' ORDER BY id";
    let rows = world.sql.query(query, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), serde_json::from_str(row.get(1)).unwrap())).collect()
}

#[tokio::test]
async fn a_client_is_made_once_and_the_database_does_not_know_its_secret() {
    let world = World::new().await;
    let secret = made(&world).await;
    assert_eq!(knows(&world, &secret).await, Ok(By::Current));
    assert_eq!(knows(&world, &ClientSecret::generate()).await, Err(NotTheClient));
    let again = create(&world.db, &billing(), secret.hash(), &scopes()).await;
    assert!(matches!(again, Err(NotMade::Exists(id)) if id == billing()));
    let listed = list(&world.db).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id.as_str(), listed[0].scopes.as_slice()), ("billing", scopes().words()));
    let row = world.sql.query_one("SELECT clients::text FROM clients", &[]).await.unwrap();
    assert!(!row.get::<_, &str>(0).contains(&secret.expose()[ClientSecret::PREFIX.len()..]));
}

#[tokio::test]
async fn a_rotation_at_once_ends_the_old_secret_and_its_tokens() {
    let world = World::new().await;
    let (old, new) = (made(&world).await, ClientSecret::generate());
    rotate(&world.db, &billing(), new.hash(), None).await.unwrap();
    assert_eq!(knows(&world, &old).await, Err(NotTheClient));
    assert_eq!(knows(&world, &new).await, Ok(By::Current));
    assert_eq!((found(&world).await.unwrap().epoch, revoked(&world).await), (1, vec![1]));
}

#[tokio::test]
async fn a_rotation_with_an_overlap_leaves_the_old_secret_and_its_tokens_for_a_while() {
    let world = World::new().await;
    let (old, new, newest) = (made(&world).await, ClientSecret::generate(), ClientSecret::generate());
    rotate(&world.db, &billing(), new.hash(), Some(Duration::from_secs(3600))).await.unwrap();
    assert!(matches!(knows(&world, &old).await, Ok(By::Previous(_))));
    assert_eq!(knows(&world, &new).await, Ok(By::Current));
    assert_eq!((found(&world).await.unwrap().epoch, revoked(&world).await), (0, vec![]));

    world.sql.batch_execute("UPDATE clients SET previous_until = now() - interval '1 s'").await.unwrap();
    assert_eq!(knows(&world, &old).await, Err(NotTheClient));

    // A leak within an overlap: both go.
    rotate(&world.db, &billing(), newest.hash(), Some(Duration::from_secs(3600))).await.unwrap();
    rotate(&world.db, &billing(), old.hash(), None).await.unwrap();
    for gone in [&new, &newest] {
        assert_eq!(knows(&world, gone).await, Err(NotTheClient));
    }
    assert_eq!(revoked(&world).await, [1]);
}

#[tokio::test]
async fn a_client_that_is_made_again_goes_on_where_the_deleted_one_ended() {
    let world = World::new().await;
    let old = made(&world).await;
    delete(&world.db, &billing()).await.unwrap();
    assert_eq!(found(&world).await, None);
    assert_eq!(knows(&world, &old).await, Err(NotTheClient));
    assert_eq!(list(&world.db).await.unwrap(), []);
    let gone = [
        delete(&world.db, &billing()).await,
        rotate(&world.db, &billing(), old.hash(), None).await,
        rotate(&world.db, &"unknown".parse().unwrap(), old.hash(), None).await,
    ];
    assert!(gone.iter().all(|result| matches!(result, Err(NotMade::Missing(_)))), "{gone:?}");

    let new = made(&world).await;
    assert_eq!(knows(&world, &old).await, Err(NotTheClient));
    assert_eq!(knows(&world, &new).await, Ok(By::Current));
    // The revocation that the end left behind does not concern its tokens.
    assert_eq!((found(&world).await.unwrap().epoch, revoked(&world).await), (1, vec![1]));
    let trail: Vec<_> = audited(&world).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(trail, ["client_created", "client_deleted", "client_created"]);
}

#[tokio::test]
async fn of_two_rotations_at_once_one_secret_is_left_and_each_raises_the_epoch() {
    let world = World::new().await;
    made(&world).await;
    let secrets: Vec<_> = (0..8).map(|_| ClientSecret::generate()).collect();
    let rotations = secrets.iter().map(|secret| {
        let db = world.replica(1);
        async move { rotate(&db, &billing(), secret.hash(), None).await }
    });
    for done in futures_util::future::join_all(rotations).await {
        done.unwrap();
    }
    let mut good = 0;
    for secret in &secrets {
        good += usize::from(knows(&world, secret).await.is_ok());
    }
    assert_eq!((good, found(&world).await.unwrap().epoch), (1, 8));
    let mut epochs = revoked(&world).await;
    epochs.sort_unstable();
    assert_eq!(epochs, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[tokio::test]
async fn the_database_refuses_what_no_client_may_be_called() {
    let world = World::new().await;
    let insert = "INSERT INTO clients (id, secret_hash, scopes) VALUES ($1, sha256('x'), '{}')";
    for id in ["portcullis", "client:billing", "Billing", "", "a\n", "1a", &"a".repeat(65)] {
        assert!(world.sql.execute(insert, &[&id]).await.is_err(), "{id:?}");
    }
}
