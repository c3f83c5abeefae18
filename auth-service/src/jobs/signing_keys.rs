//! Keeps the signing keys in memory in step with those in the database.

use std::time::Duration;

use database::Database;
use time::OffsetDateTime;
use tokio::time::MissedTickBehavior;

use crate::db;
use crate::tokens::signing_key::UnusableKey;
use crate::tokens::{Algorithm, BoxKeys, KeyStore, SealedKey, SigningKey};

/// How often other replicas' keys are looked for. A key is published long before it signs, so this is soon enough.
const INTERVAL: Duration = Duration::from_secs(10);

/// Why there are no keys, or no newer ones.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The database is away or failed; the keys in memory stay.
    #[error("the signing keys cannot be read")]
    Database(#[from] database::Error),
    /// The first key could not be made.
    #[error("no signing key can be made")]
    Make(#[from] UnusableKey),
    /// There are keys, and `JWT_SECRET` opens none of them. None is made then: two secrets at work are a mistake.
    #[error("JWT_SECRET opens none of the {0} signing keys in the database")]
    NoneOpens(usize),
}

/// Loads the keys once. In an empty database the first one is made, and it signs at once.
///
/// # Errors
/// [`LoadError`]; the store is left as it was.
pub async fn load(
    db: &Database,
    boxes: &BoxKeys,
    algorithm: Algorithm,
    store: &KeyStore,
) -> Result<(), LoadError> {
    let mut sealed = db::signing_keys::load(db).await?;
    if sealed.is_empty() {
        // It signs whatever the time is: another replica's clock may be behind, and this one's may yet be set back.
        let (now, always) = (OffsetDateTime::now_utc(), OffsetDateTime::UNIX_EPOCH);
        // Whether it was this replica's key or another's that got there first, both read the same one.
        db::signing_keys::insert_first(db, &boxes.make(algorithm, now, always)?).await?;
        sealed = db::signing_keys::load(db).await?;
    }
    let keys: Vec<_> = sealed.iter().filter_map(|key| open(boxes, key)).collect();
    if keys.is_empty() {
        return Err(LoadError::NoneOpens(sealed.len()));
    }
    store.replace(keys);
    Ok(())
}

/// Loads the keys again and again. It never ends.
pub async fn keep_fresh(db: Database, boxes: BoxKeys, algorithm: Algorithm, store: std::sync::Arc<KeyStore>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = load(&db, &boxes, algorithm, &store).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the signing keys were not loaded");
        }
    }
}

fn open(boxes: &BoxKeys, key: &SealedKey) -> Option<SigningKey> {
    match boxes.open(key) {
        Ok(key) => Some(key),
        Err(error) => {
            tracing::warn!(
                kid = key.kid,
                error = &error as &dyn std::error::Error,
                "a signing key is left out"
            );
            None
        }
    }
}
