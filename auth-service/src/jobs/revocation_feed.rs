//! Keeps this replica's feed in step with `revocations`: reads when it is told to and every second, tells other replicas, and
//! lets subscribers know how things stand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use database::{ConnectError, Database, Url};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::config::DatabaseSettings;
use crate::db::notifications::{self, Listener, Replica};
use crate::db::revocations;
use crate::revocations::{Announcer, Feed, Subject};

/// Between two looks that nobody asked for: what a lost notification costs.
const POLL: Duration = Duration::from_secs(1);
/// Between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Between two sweeps of what has expired.
const SWEEP: Duration = Duration::from_secs(10);
/// Between two reads: announcements that come closer together share one.
const READ_PAUSE: Duration = Duration::from_millis(2);
/// Between two notifications: commits that notify stand in line, the whole server over.
const NOTIFY_PAUSE: Duration = Duration::from_millis(5);
/// Before the next try to listen.
const LISTEN_PAUSE: Duration = Duration::from_millis(250);
/// One reads and one tells.
const CONNECTIONS: usize = 2;
/// How long the first read, of everything, may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// What the job works with.
pub struct RevocationFeed {
    feed: Arc<Feed>,
    announcer: Arc<Announcer>,
    /// Connections that no request can take away: a logout is not to wait for a flood of logins.
    database: Database,
    direct: Url,
    own: Replica,
}

impl RevocationFeed {
    /// Sets up, without touching the database.
    ///
    /// # Errors
    /// The TLS roots named by the URL cannot be read.
    pub fn new(
        feed: Arc<Feed>,
        announcer: Arc<Announcer>,
        settings: &DatabaseSettings,
    ) -> Result<Self, ConnectError> {
        let database = Database::new(&settings.url, CONNECTIONS)?.with_deadline(DEADLINE);
        Ok(Self { feed, announcer, database, direct: settings.direct.clone(), own: Replica::new() })
    }

    /// Never ends.
    pub async fn run(self) {
        tokio::join!(self.read_on(), self.listen_on(), self.tell_on(), self.beat_on(), self.sweep_on());
    }

    async fn read_on(&self) {
        let mut polls = interval(POLL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut position, mut told) = (None, false);
        loop {
            tokio::select! {
                () = self.announcer.to_read() => {}
                _ = polls.tick() => {}
            }
            let begun = Instant::now();
            match revocations::read(&self.database, position.as_ref()).await {
                Ok((news, now_at)) => {
                    if news.entries.iter().any(|(_, entry)| matches!(entry.subject, Subject::Key(_))) {
                        // Before the gateways hear of it: what they fetch then should be without it.
                        self.announcer.key_revoked();
                    }
                    self.feed.publish(news, begun);
                    (position, told) = (Some(now_at), false);
                }
                Err(error) if !told => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "revocations cannot be read; the feed goes on from memory"
                    );
                    told = true;
                }
                Err(_) => {}
            }
            sleep(READ_PAUSE).await;
        }
    }

    async fn listen_on(&self) {
        loop {
            match Listener::start(&self.direct, self.own).await {
                Ok(mut listener) => {
                    // For what was told while nobody listened.
                    self.announcer.heard();
                    while listener.heard().await.is_some() {
                        self.announcer.heard();
                    }
                    tracing::info!("the connection that listens for revocations has ended");
                }
                Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "nobody listens"),
            }
            sleep(LISTEN_PAUSE).await;
        }
    }

    async fn tell_on(&self) {
        loop {
            self.announcer.to_tell().await;
            if let Err(error) = notifications::notify(&self.database, self.own).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "nobody was notified");
            }
            sleep(NOTIFY_PAUSE).await;
        }
    }

    async fn beat_on(&self) {
        let mut beats = interval(HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            self.feed.beat(Instant::now());
        }
    }

    async fn sweep_on(&self) {
        let mut sweeps = interval(SWEEP);
        loop {
            sweeps.tick().await;
            self.feed.forget_expired();
        }
    }
}
