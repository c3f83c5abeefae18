//! Signing keys that replicas share through the database.

use std::sync::Arc;

use secret::Secret;
use time::OffsetDateTime;

use super::actors::World;
use crate::db::signing_keys;
use crate::jobs::signing_keys::{LoadError, load};
use crate::tokens::{Algorithm, BoxKeys, KeyStore, RootSecrets};

fn secret(byte: u8) -> Secret<Vec<u8>> {
    Secret::new(vec![byte; 32])
}

fn boxes(current: u8, previous: &[u8]) -> BoxKeys {
    let previous: Vec<_> = previous.iter().copied().map(secret).collect();
    BoxKeys::new(&RootSecrets::new(&secret(current), &previous))
}

fn kid(store: &KeyStore) -> Option<String> {
    store.signer(OffsetDateTime::now_utc()).map(|key| key.kid().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_race_for_an_empty_database_agree_on_one_key_that_signs_at_once() {
    let world = World::new().await;
    let starts = (0..8).map(|_| {
        let db = world.replica(2);
        tokio::spawn(async move {
            let store = KeyStore::empty();
            load(&db, &boxes(1, &[]), Algorithm::Es256, &store).await.unwrap();
            kid(&store).unwrap()
        })
    });
    let starts: Vec<_> = starts.collect();
    let mut kids = Vec::new();
    for start in starts {
        kids.push(start.await.unwrap());
    }
    kids.dedup();
    assert_eq!(kids.len(), 1, "{kids:?}");
    assert_eq!(world.count("SELECT count(*) FROM signing_keys").await, 1);
}

#[tokio::test]
async fn the_algorithm_of_the_first_key_is_the_setting() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let world = World::new().await;
        let store = KeyStore::empty();
        load(&world.db, &boxes(1, &[]), algorithm, &store).await.unwrap();
        assert_eq!(store.signer(OffsetDateTime::now_utc()).unwrap().algorithm(), algorithm);
    }
}

#[tokio::test]
async fn the_first_key_signs_on_a_replica_whose_clock_is_behind() {
    let world = World::new().await;
    let store = KeyStore::empty();
    load(&world.db, &boxes(1, &[]), Algorithm::Es256, &store).await.unwrap();
    let yesterday = OffsetDateTime::now_utc() - time::Duration::DAY;
    assert_eq!(store.signer(yesterday).map(|key| key.kid().to_owned()), kid(&store));
}

#[tokio::test]
async fn a_replica_whose_secret_opens_no_key_makes_none_and_has_none() {
    let world = World::new().await;
    let store = KeyStore::empty();
    load(&world.db, &boxes(1, &[]), Algorithm::Es256, &store).await.unwrap();
    let stranger = KeyStore::empty();
    let refused = load(&world.db, &boxes(2, &[]), Algorithm::Es256, &stranger).await;
    assert!(matches!(refused, Err(LoadError::NoneOpens(1))), "{refused:?}");
    assert_eq!(kid(&stranger), None);
    assert_eq!(world.count("SELECT count(*) FROM signing_keys").await, 1);
}

#[tokio::test]
async fn a_new_secret_opens_the_old_boxes_through_the_previous_one() {
    let world = World::new().await;
    let (old, new) = (KeyStore::empty(), KeyStore::empty());
    load(&world.db, &boxes(1, &[]), Algorithm::Es256, &old).await.unwrap();
    load(&world.db, &boxes(2, &[1]), Algorithm::Es256, &new).await.unwrap();
    assert_eq!((kid(&new), new.jwks()), (kid(&old), old.jwks()));
}

#[tokio::test]
async fn another_replicas_key_is_published_at_once_and_signs_when_its_time_comes() {
    let world = World::new().await;
    let store = Arc::new(KeyStore::empty());
    load(&world.db, &boxes(1, &[]), Algorithm::Es256, &store).await.unwrap();
    let first = kid(&store);
    let now = OffsetDateTime::now_utc();
    let soon = now + time::Duration::minutes(15);
    let next = boxes(1, &[]).make(Algorithm::Es256, now, soon).unwrap();
    insert(&world, &next).await;
    load(&world.db, &boxes(1, &[]), Algorithm::Es256, &store).await.unwrap();
    assert!(String::from_utf8_lossy(&store.jwks()).contains(&next.kid));
    assert_eq!(kid(&store), first);
    assert_eq!(store.signer(soon).unwrap().kid(), next.kid);
}

#[tokio::test]
async fn a_row_that_somebody_changed_is_neither_used_nor_published() {
    let world = World::new().await;
    let store = KeyStore::empty();
    load(&world.db, &boxes(1, &[]), Algorithm::Es256, &store).await.unwrap();
    let good = kid(&store);
    let now = OffsetDateTime::now_utc();
    let newer = boxes(1, &[]).make(Algorithm::Es256, now, now).unwrap();
    insert(&world, &newer).await;
    let moved = "UPDATE signing_keys SET signs_from = signs_from - interval '1 second' WHERE kid = $1";
    world.sql.execute(moved, &[&newer.kid]).await.unwrap();
    load(&world.db, &boxes(1, &[]), Algorithm::Es256, &store).await.unwrap();
    assert_eq!(kid(&store), good);
    assert!(!String::from_utf8_lossy(&store.jwks()).contains(&newer.kid));
}

#[tokio::test]
async fn a_key_comes_back_from_the_database_as_it_was_sealed() {
    let world = World::new().await;
    let now = OffsetDateTime::now_utc();
    let sealed = boxes(1, &[]).make(Algorithm::EdDsa, now, now).unwrap();
    assert!(signing_keys::insert_first(&world.db, &sealed).await.unwrap());
    assert!(!signing_keys::insert_first(&world.db, &sealed).await.unwrap());
    assert_eq!(signing_keys::load(&world.db).await.unwrap(), [sealed]);
}

/// What a rotation will do: a key beside the others.
async fn insert(world: &World, key: &crate::tokens::SealedKey) {
    let elsewhere = World::new().await;
    signing_keys::insert_first(&elsewhere.db, key).await.unwrap();
    let row: String =
        elsewhere.sql.query_one("SELECT row_to_json(k)::text FROM signing_keys k", &[]).await.unwrap().get(0);
    let copy =
        "INSERT INTO signing_keys SELECT * FROM json_populate_record(NULL::signing_keys, $1::text::json)";
    world.sql.execute(copy, &[&row]).await.unwrap();
}
