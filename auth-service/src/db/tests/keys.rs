//! Signing keys that replicas share through the database.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use secret::Secret;
use time::OffsetDateTime;

use super::actors::World;
use crate::db::signing_keys;
use crate::jobs::signing_keys::{LoadError, SigningKeys};
use crate::tokens::locksmith::{Changes, KeyChange, NotDone, StoredKeys};
use crate::tokens::rotation::KeyTimes;
use crate::tokens::{Algorithm, BoxKeys, KeyStore, Locksmith, RootSecrets, RotationPolicy, SealedKey};

const POLICY: RotationPolicy = RotationPolicy {
    every: Duration::from_secs(3600),
    publish_ahead: Duration::from_secs(900),
    token_lifetime: Duration::from_secs(600),
};

fn secrets(current: u8, previous: &[u8]) -> RootSecrets {
    let secret = |byte| Secret::new(vec![byte; 32]);
    let previous: Vec<_> = previous.iter().copied().map(secret).collect();
    RootSecrets::new(&secret(current), &previous)
}

fn locksmith(secrets: &RootSecrets) -> Locksmith {
    Locksmith::new(secrets, Algorithm::Es256, POLICY)
}

/// A process: the keys that it holds, and how it comes by them.
struct Replica {
    loader: SigningKeys,
    store: Arc<KeyStore>,
}

impl Replica {
    fn new(world: &World, locksmith: Locksmith) -> Self {
        let store = Arc::new(KeyStore::empty());
        Self { loader: SigningKeys::new(world.replica(2), locksmith, Arc::clone(&store)), store }
    }

    async fn loaded(world: &World, current: u8, previous: &[u8]) -> Self {
        let mut replica = Self::new(world, locksmith(&secrets(current, previous)));
        replica.load().await;
        replica
    }

    async fn load(&mut self) {
        self.loader.load().await.unwrap();
    }

    fn signs_at(&self, now: OffsetDateTime) -> Option<String> {
        self.store.signer(now).map(|key| key.kid().to_owned())
    }

    fn signs(&self) -> Option<String> {
        self.signs_at(OffsetDateTime::now_utc())
    }

    fn publishes(&self, kid: &str) -> bool {
        String::from_utf8_lossy(&self.store.jwks()).contains(kid)
    }
}

/// What somebody else makes of the keys.
pub(super) async fn change(world: &World, change: KeyChange) {
    let decide = |_: &StoredKeys| Ok::<_, NotDone>(Changes { changes: vec![change], outcome: () });
    signing_keys::change(&world.db, decide).await.unwrap().unwrap();
}

fn made(secret: u8, signs_from: OffsetDateTime) -> SealedKey {
    let created_at = OffsetDateTime::now_utc();
    let times = KeyTimes { created_at, signs_from, token_lifetime: POLICY.token_lifetime };
    BoxKeys::new(&secrets(secret, &[])).make(Algorithm::Es256, times).unwrap()
}

/// Lets time pass for all keys: their times are moved back, which only who holds the secret can do.
async fn later(world: &World, minutes: i64) {
    let boxes = BoxKeys::new(&secrets(1, &[]));
    let by = time::Duration::minutes(minutes);
    for key in signing_keys::load(&world.db).await.unwrap().keys {
        let KeyTimes { created_at, signs_from, token_lifetime } = key.label.times;
        let times = KeyTimes { created_at: created_at - by, signs_from: signs_from - by, token_lifetime };
        change(world, KeyChange::Replace(boxes.with_times(&key, times).unwrap())).await;
    }
}

async fn rows(world: &World) -> i64 {
    world.count("SELECT count(*) FROM signing_keys").await
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_race_for_an_empty_database_agree_on_one_key_that_signs_at_once() {
    let world = World::new().await;
    let replicas = join_all((0..8).map(|_| Replica::loaded(&world, 1, &[]))).await;
    let mut kids: Vec<_> = replicas.iter().map(|replica| replica.signs().unwrap()).collect();
    kids.dedup();
    assert_eq!(kids.len(), 1, "{kids:?}");
    assert_eq!(rows(&world).await, 1);
}

#[tokio::test]
async fn the_algorithm_of_the_first_key_is_the_setting() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let world = World::new().await;
        let mut replica = Replica::new(&world, Locksmith::new(&secrets(1, &[]), algorithm, POLICY));
        replica.load().await;
        let signer = replica.store.signer(OffsetDateTime::now_utc()).unwrap();
        assert_eq!(signer.label().algorithm, algorithm);
    }
}

#[tokio::test]
async fn the_first_key_signs_on_a_replica_whose_clock_is_behind() {
    let world = World::new().await;
    let replica = Replica::loaded(&world, 1, &[]).await;
    let yesterday = OffsetDateTime::now_utc() - time::Duration::DAY;
    assert_eq!(replica.signs_at(yesterday), replica.signs());
}

#[tokio::test]
async fn a_replica_whose_secret_opens_no_key_makes_none_and_has_none() {
    let world = World::new().await;
    Replica::loaded(&world, 1, &[]).await;
    let mut stranger = Replica::new(&world, locksmith(&secrets(2, &[])));
    let refused = stranger.loader.load().await;
    assert!(matches!(refused, Err(LoadError::NotDone(NotDone::NoneOpens(1)))), "{refused:?}");
    assert_eq!(stranger.signs(), None);
    assert_eq!(rows(&world).await, 1);
}

#[tokio::test]
async fn a_new_secret_opens_the_old_boxes_through_the_previous_one() {
    let world = World::new().await;
    let (old, new) = (Replica::loaded(&world, 1, &[]).await, Replica::loaded(&world, 2, &[1]).await);
    assert_eq!((new.signs(), new.store.jwks()), (old.signs(), old.store.jwks()));
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_rotate_together_once_and_publish_before_they_sign() {
    let world = World::new().await;
    let mut replicas = join_all((0..4).map(|_| Replica::loaded(&world, 1, &[]))).await;
    let first = replicas[0].signs().unwrap();

    later(&world, 45).await;
    join_all(replicas.iter_mut().map(Replica::load)).await;
    assert_eq!(rows(&world).await, 2, "one replica made the next key");
    let in_time = OffsetDateTime::now_utc() + time::Duration::minutes(15);
    let next = replicas[0].signs_at(in_time).unwrap();
    assert_ne!(next, first);
    for replica in &replicas {
        assert!(replica.publishes(&first) && replica.publishes(&next));
        assert_eq!((replica.signs(), replica.signs_at(in_time)), (Some(first.clone()), Some(next.clone())));
    }

    later(&world, 15).await;
    join_all(replicas.iter_mut().map(Replica::load)).await;
    for replica in &replicas {
        assert!(replica.publishes(&first), "its tokens are alive");
        assert_eq!(replica.signs().as_ref(), Some(&next));
    }

    later(&world, 11).await;
    join_all(replicas.iter_mut().map(Replica::load)).await;
    assert!(replicas.iter().all(|replica| !replica.publishes(&first) && replica.publishes(&next)));
    assert_eq!(rows(&world).await, 1);
}

#[tokio::test]
async fn a_replica_that_lags_never_lacks_the_key_that_another_signs_with() {
    let world = World::new().await;
    let (mut prompt, lagging) =
        (Replica::loaded(&world, 1, &[]).await, Replica::loaded(&world, 1, &[]).await);
    later(&world, 45).await;
    prompt.load().await;
    // All the time that the one does not know the new key, the other does not sign with it.
    let soon = OffsetDateTime::now_utc() + time::Duration::minutes(14);
    assert!(lagging.publishes(&prompt.signs_at(soon).unwrap()));
    assert_eq!(lagging.signs(), prompt.signs());
}

#[tokio::test]
async fn a_longer_access_ttl_is_written_on_the_key_before_tokens_live_so_long() {
    let world = World::new().await;
    let mut usual = Replica::loaded(&world, 1, &[]).await;
    let lifetime = |replica: &Replica| {
        replica.store.signer(OffsetDateTime::now_utc()).unwrap().label().times.token_lifetime
    };
    let policy = RotationPolicy { token_lifetime: Duration::from_secs(7200), ..POLICY };
    let mut longer = Replica::new(&world, Locksmith::new(&secrets(2, &[1]), Algorithm::Es256, policy));
    longer.load().await;
    assert_eq!((lifetime(&usual), lifetime(&longer)), (POLICY.token_lifetime, policy.token_lifetime));
    // The box stays under the secret that the other replica knows.
    usual.load().await;
    assert_eq!(lifetime(&usual), policy.token_lifetime);

    // Back at ten minutes the key is still published until the tokens of two hours are dead.
    later(&world, 45).await;
    usual.load().await;
    let first = usual.signs().unwrap();
    for (minutes, published) in [(15, true), (119, true), (2, false)] {
        later(&world, minutes).await;
        usual.load().await;
        assert_eq!(usual.publishes(&first), published, "after {minutes} more minutes");
    }
}

#[tokio::test]
async fn a_revoked_key_is_dropped_and_announced_and_another_signs_at_once() {
    let world = World::new().await;
    let (mut one, mut other) = (Replica::loaded(&world, 1, &[]).await, Replica::loaded(&world, 1, &[]).await);
    let first = one.signs().unwrap();
    let smith = locksmith(&secrets(1, &[]));
    let done = signing_keys::change(&world.db, |stored| smith.revoke(stored, &first)).await.unwrap().unwrap();
    one.load().await;
    other.load().await;
    assert_eq!(one.signs(), done.outcome.signs_now);
    assert_eq!(other.signs(), one.signs());
    assert!(!one.publishes(&first) && !other.publishes(&first));
    let announced = "SELECT count(*) FROM revocations WHERE kind = 'key' AND kid = $1 \
                     AND expires_at BETWEEN now() + interval '10 min' AND now() + interval '12 min'";
    assert_eq!(world.sql.query_one(announced, &[&first]).await.unwrap().get::<_, i64>(0), 1);
    let audited =
        "SELECT kind FROM audit_events WHERE detail = jsonb_build_object('kid', $1::text) ORDER BY id";
    let kinds: Vec<_> = world.sql.query(audited, &[&first]).await.unwrap();
    let kinds: Vec<String> = kinds.iter().map(|row| row.get(0)).collect();
    assert_eq!(kinds, ["signing_key_made", "signing_key_revoked"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_reencrypted_under_two_replicas_and_the_old_secret_is_dropped() {
    let world = World::new().await;
    let mut other = Replica::loaded(&world, 1, &[2]).await;
    let mut one = Replica::loaded(&world, 2, &[1]).await;
    let before = one.store.jwks();
    let smith = locksmith(&secrets(2, &[1]));
    let moves =
        join_all((0..4).map(|_| signing_keys::change(&world.db, |stored| smith.reencrypt(stored)))).await;
    let moved: usize = moves.into_iter().map(|done| done.unwrap().unwrap().outcome.moved).sum();
    assert_eq!(moved, 1, "once, whoever asks");
    one.load().await;
    other.load().await;
    assert_eq!((one.store.jwks(), other.store.jwks()), (before.clone(), before.clone()));
    assert_eq!(Replica::loaded(&world, 2, &[]).await.store.jwks(), before);
}

#[tokio::test]
async fn a_row_that_somebody_changed_or_brought_is_neither_used_nor_published() {
    let world = World::new().await;
    let mut replica = Replica::loaded(&world, 1, &[]).await;
    let good = replica.signs();
    let (newer, foreign) = (made(1, OffsetDateTime::now_utc()), made(2, OffsetDateTime::now_utc()));
    change(&world, KeyChange::Insert(newer.clone())).await;
    change(&world, KeyChange::Insert(foreign.clone())).await;
    let moved = "UPDATE signing_keys SET signs_from = signs_from - interval '1 second' WHERE kid = $1";
    world.sql.execute(moved, &[&newer.label.kid]).await.unwrap();
    replica.load().await;
    assert_eq!(replica.signs(), good);
    assert!(!replica.publishes(&newer.label.kid) && !replica.publishes(&foreign.label.kid));
    assert_eq!((replica.store.published(), replica.store.reading().refused), (1, 2));
}

#[tokio::test]
async fn times_that_nobody_can_read_are_not_taken() {
    let world = World::new().await;
    let mut replica = Replica::loaded(&world, 1, &[]).await;
    for (column, time) in [
        ("created_at", "infinity"),
        ("created_at", "-infinity"),
        ("signs_from", "infinity"),
        ("signs_from", "20000-01-01"),
    ] {
        let update = format!("UPDATE signing_keys SET {column} = '{time}'");
        assert!(world.sql.batch_execute(&update).await.is_err(), "{update}");
    }
    replica.load().await;
}

#[tokio::test]
async fn a_key_comes_back_from_the_database_as_it_was_sealed() {
    let world = World::new().await;
    let sealed = made(1, OffsetDateTime::now_utc());
    change(&world, KeyChange::Insert(sealed.clone())).await;
    assert_eq!(signing_keys::load(&world.db).await.unwrap().keys, std::slice::from_ref(&sealed));
    change(&world, KeyChange::Delete(sealed.label.kid)).await;
    assert_eq!(signing_keys::load(&world.db).await.unwrap().keys, []);
}

#[tokio::test]
async fn a_decision_that_refuses_changes_nothing() {
    let world = World::new().await;
    let refused =
        signing_keys::change(&world.db, |stored| locksmith(&secrets(1, &[])).revoke(stored, "x")).await;
    assert!(matches!(refused, Ok(Err(NotDone::UnknownKey(_)))));
    assert_eq!(rows(&world).await, 0);
}
