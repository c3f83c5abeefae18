//! Keeps the signing keys in memory in step with those in the database, and those in step with time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use database::Database;
use time::OffsetDateTime;
use tokio::time::MissedTickBehavior;

use crate::db;
use crate::tokens::key_store::Reading;
use crate::tokens::locksmith::{Changes, KeyChange, NotDone, Opened, StoredKeys};
use crate::tokens::{KeyStore, Locksmith, SealedKey};

/// How often the keys are looked at. It bounds how long a revoked key is still published, and how long a new one is not.
const INTERVAL: Duration = Duration::from_secs(1);

/// Why there are no keys, or no newer ones; those in memory stay.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The database is away or failed.
    #[error("the signing keys cannot be read")]
    Database(#[from] database::Error),
    /// The keys are not what they should be.
    #[error(transparent)]
    NotDone(#[from] NotDone),
}

/// The signing keys of one process.
pub struct SigningKeys {
    db: Database,
    locksmith: Locksmith,
    store: Arc<KeyStore>,
    /// The rows that were complained about, as they were then.
    told: HashSet<Vec<u8>>,
}

impl SigningKeys {
    /// Those that go into `store`.
    #[must_use]
    pub fn new(db: Database, locksmith: Locksmith, store: Arc<KeyStore>) -> Self {
        Self { db, locksmith, store, told: HashSet::new() }
    }

    /// Loads the keys once, and does to them what is due: in an empty database the first one is made, and it signs at once.
    ///
    /// # Errors
    /// [`LoadError`]
    pub async fn load(&mut self) -> Result<(), LoadError> {
        let reading = self.read().await?;
        if !self.locksmith.is_due(&reading.opened, reading.now) {
            self.take(reading);
            return Ok(());
        }
        self.tend().await?;
        let reading = self.read().await?;
        self.take(reading);
        Ok(())
    }

    /// Loads the keys again and again. It never ends.
    pub async fn keep_fresh(mut self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut complained = false;
        loop {
            ticks.tick().await;
            let loaded = self.load().await;
            if let (Err(error), false) = (&loaded, complained) {
                tracing::warn!(error = error as &dyn std::error::Error, "the signing keys were not loaded");
            }
            complained = loaded.is_err();
        }
    }

    async fn read(&mut self) -> Result<Read, LoadError> {
        let at = Instant::now();
        let our_time = OffsetDateTime::now_utc();
        let stored = db::signing_keys::load(&self.db).await?;
        let opened = self.locksmith.open(&stored)?;
        for (row, why) in &opened.refused {
            self.complain(row, why);
        }
        Ok(Read { at, clock_ahead: stored.now - our_time, now: stored.now, opened })
    }

    /// What is due is asked again under the lock, where no other replica does it too.
    async fn tend(&self) -> Result<(), LoadError> {
        let tend = |stored: &StoredKeys| self.locksmith.tend(stored);
        let Changes { changes, .. } = db::signing_keys::change(&self.db, tend).await??;
        for change in &changes {
            tell(change);
        }
        Ok(())
    }

    fn take(&self, read: Read) {
        let Read { at, clock_ahead, now, opened } = read;
        let good_for = self.locksmith.policy().publish_ahead;
        let reading = Reading { at, clock_ahead, good_for, refused: opened.refused.len() };
        self.store.replace(opened.published(now), reading);
    }

    fn complain(&mut self, row: &SealedKey, why: &(dyn std::error::Error + 'static)) {
        if self.told.insert(row.sealed.clone()) {
            let (kid, secret) = (&row.label.kid, row.secret_id);
            tracing::error!(kid, ?secret, error = why, "a signing key is left out");
        }
    }
}

struct Read {
    at: Instant,
    clock_ahead: time::Duration,
    now: OffsetDateTime,
    opened: Opened,
}

fn tell(change: &KeyChange) {
    let kid = change.kid();
    match change {
        KeyChange::Insert(key) => {
            tracing::info!(kid, signs_from = %key.label.times.signs_from, "a signing key was made");
        }
        KeyChange::Replace(_) => tracing::info!(kid, "a signing key's tokens may live longer now"),
        KeyChange::Delete(_) => tracing::info!(kid, "a signing key is done and was deleted"),
        KeyChange::Revoke(..) => tracing::warn!(kid, "a signing key was revoked"),
    }
}
