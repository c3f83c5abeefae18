//! Keeps the signing keys in memory in step with those in the database, and those in step with time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use database::Database;
use time::OffsetDateTime;
use tokio::time::MissedTickBehavior;

use crate::db;
use crate::revocations::Announcer;
use crate::tokens::key_store::Reading;
use crate::tokens::locksmith::{Changes, KeyChange, NotDone, StoredKeys};
use crate::tokens::sealing::Unopened;
use crate::tokens::{KeyStore, Locksmith, SealedKey};

/// How often the keys are looked at. It bounds how long a new one is not published, and a revoked one is when nobody says so.
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

impl LoadError {
    /// A database that is away comes back by itself; a wrong secret does not.
    fn log(&self) {
        let error = self as &dyn std::error::Error;
        match self {
            Self::Database(_) => tracing::warn!(error, "the signing keys were not loaded"),
            Self::NotDone(_) => tracing::error!(error, "the signing keys cannot be used"),
        }
    }
}

/// The signing keys of one process.
pub struct SigningKeys {
    db: Database,
    locksmith: Locksmith,
    store: Arc<KeyStore>,
    /// The rows that were complained about, as they were then.
    told: Vec<SealedKey>,
}

impl SigningKeys {
    /// Those that go into `store`.
    #[must_use]
    pub fn new(db: Database, locksmith: Locksmith, store: Arc<KeyStore>) -> Self {
        Self { db, locksmith, store, told: Vec::new() }
    }

    /// Loads the keys once, and does to them what is due: in an empty database the first one is made, and it signs at once.
    ///
    /// # Errors
    /// [`LoadError`]
    pub async fn load(&mut self) -> Result<(), LoadError> {
        if self.read().await? {
            self.tend().await?;
            self.read().await?;
        }
        Ok(())
    }

    /// Loads the keys again and again, and at once when one was revoked. It never ends.
    pub async fn keep_fresh(mut self, announcer: &Announcer) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = String::new();
        loop {
            tokio::select! {
                () = announcer.to_load_keys() => {}
                _ = ticks.tick() => {}
            }
            let failure = self.load().await.err();
            // Once, not each second.
            let words = failure.as_ref().map(ToString::to_string).unwrap_or_default();
            if words != said {
                failure.iter().for_each(LoadError::log);
            }
            said = words;
        }
    }

    /// Puts what the database has into the store; answers whether anything is due.
    async fn read(&mut self) -> Result<bool, LoadError> {
        let at = Instant::now();
        let stored = db::signing_keys::load(&self.db).await?;
        // Asked afterwards: a database that was slow to answer looks late and never early, so no token is dated in the future.
        let our_time = OffsetDateTime::now_utc();
        let opened = self.locksmith.open(&stored)?;
        let is_due = self.locksmith.is_due(&opened, stored.now);
        let reading = Reading {
            at,
            clock_ahead: stored.now - our_time,
            good_for: self.locksmith.policy().publish_ahead,
            refused: opened.refused.len(),
        };
        self.complain(&opened.refused);
        self.store.replace(opened.published(stored.now), reading);
        Ok(is_due)
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

    /// Loudly, and once per row.
    fn complain(&mut self, refused: &[(SealedKey, Unopened)]) {
        for (row, why) in refused.iter().filter(|(row, _)| !self.told.contains(row)) {
            let (kid, secret) = (&row.label.kid, row.secret_id);
            tracing::error!(kid, ?secret, error = why as &dyn std::error::Error, "a signing key is left out");
        }
        self.told = refused.iter().map(|(row, _)| row.clone()).collect();
    }
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
