//! Takes away sessions, revocations, audit events, counts of attempts and addresses of logins that are over, in one replica at a time.

use std::time::Duration;

use database::{Database, Url};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::app::App;
use crate::config::Config;
use crate::db::job_lock::{Job, JobLock, LockError};
use crate::db::purge::{BATCH, Expired};
use crate::metrics::PurgeMetrics;

/// Between two rounds.
const INTERVAL: Duration = Duration::from_secs(60);
/// Between two batches, so that requests come first.
const PAUSE: Duration = Duration::from_millis(20);

/// How long an address is remembered from which an account was logged in.
const KNOWN_ADDRESS: Duration = Duration::from_secs(180 * 86_400);
/// How long it can be looked up what became of a mail.
const MAILS: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why a round was not finished. The next one goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// It is not known who has the lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A batch could not be taken away.
    #[error("{} cannot be purged", .0.table())]
    Batch(Expired, #[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What the job works with.
pub struct Purge {
    /// Where the lock is.
    direct: Url,
    /// Where the lag is asked for.
    database: Database,
    audit_retention: Duration,
    metrics: PurgeMetrics,
}

impl Purge {
    /// That of a process.
    #[must_use]
    pub fn new(app: &App, config: &Config) -> Self {
        Self {
            direct: config.database.direct.clone(),
            database: app.database.clone(),
            audit_retention: config.audit_retention,
            metrics: app.metrics.purge.clone(),
        }
    }

    /// Never ends.
    pub async fn run(self) {
        let mut rounds = interval(INTERVAL);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            if let Err(error) = self.round().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a purge was not finished");
            }
            self.measure().await;
        }
    }

    /// Takes away everything that is over. `false`: another replica is at it, and this one has left it alone.
    ///
    /// # Errors
    /// [`PurgeError`]
    pub async fn round(&self) -> Result<bool, PurgeError> {
        let Some(mut lock) = JobLock::try_take(&self.direct, Job::Purge).await? else { return Ok(false) };
        for what in Expired::ALL {
            self.purge(&mut lock, what).await?;
        }
        Ok(true)
    }

    async fn purge(&self, lock: &mut JobLock, what: Expired) -> Result<(), PurgeError> {
        loop {
            let removed = what.remove_batch(lock, self.keep(what)).await;
            let removed = removed.map_err(|error| PurgeError::Batch(what, error.into()))?;
            self.metrics.count(what, removed);
            if removed < BATCH {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }

    /// Every replica tells, so that the figure does not depend on who had the lock.
    pub async fn measure(&self) {
        for what in Expired::ALL {
            match what.lag_seconds(&self.database, self.keep(what)).await {
                Ok(seconds) => self.metrics.set_lag(what, seconds),
                Err(error) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "the lag of the purge is unknown"
                    );
                }
            }
        }
    }

    const fn keep(&self, what: Expired) -> Duration {
        match what {
            Expired::Sessions | Expired::Revocations | Expired::Throttles | Expired::MailTokens => {
                Duration::ZERO
            }
            Expired::LoginAddresses => KNOWN_ADDRESS,
            Expired::Mails => MAILS,
            Expired::AuditEvents => self.audit_retention,
        }
    }
}
