//! Sends what is in the outbox. Every replica does, each mail is one replica's at a time.

use std::sync::Arc;
use std::time::Duration;

use database::Database;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::app::App;
use crate::config::{Config, Way};
use crate::db::outbox::{self, Claimant, Claimed, Outcome};
use crate::mail::compose::Unwritable;
use crate::mail::smtp::{DELIVERY, Undelivered};
use crate::mail::{Composer, Outgoing, Sender, Smtp, backoff};
use crate::metrics::MailMetrics;
use crate::tokens::sealing::Unopened;

/// Between two looks that nobody rang for: what another replica put there, and what was put off.
const POLL: Duration = Duration::from_secs(1);
/// Between two counts of what waits.
const MEASURE: Duration = Duration::from_secs(5);
/// For how long a claimed mail is nobody else's. What is sent and cannot be noted, because the database is away, must be noted
/// within it.
const LEASE: Duration = Duration::from_secs(180);
/// Mails on their way at a time.
const AT_ONCE: usize = 16;
/// Between two tries to note what became of a mail.
const NOTE_PAUSE: Duration = Duration::from_millis(200);
/// How long a stopping process waits for what is on its way.
pub const DRAIN: Duration = Duration::from_secs(15);

/// What the job works with.
pub struct Outbox {
    app: Arc<App>,
    bell: Arc<Notify>,
    post: Arc<Post>,
}

/// Sends one mail at a time, many at once.
struct Post {
    database: Database,
    own: Claimant,
    composer: Composer,
    sender: Sender,
    smtp: Option<Smtp>,
    metrics: MailMetrics,
}

impl Outbox {
    /// That of a process; `None` where there is no mail.
    #[must_use]
    pub fn new(app: &Arc<App>, config: &Config) -> Option<Self> {
        let (mail, post) = (app.mail.as_ref()?, config.mail.post.as_ref()?);
        let outgoing = Outgoing::new(&config.tokens.secrets, config.mail.links.lifetimes);
        let composer = Composer::new(outgoing, post.sender.clone(), config.mail.links.base.clone()?);
        let smtp = match &post.way {
            Way::Smtp(smtp) => Some(smtp.clone()),
            Way::Mailbox => None,
        };
        let post = Post {
            database: app.database.clone(),
            own: Claimant::new(),
            composer,
            sender: post.sender.clone(),
            smtp,
            metrics: app.metrics.mail.clone(),
        };
        Some(Self { app: Arc::clone(app), bell: Arc::clone(&mail.bell), post: Arc::new(post) })
    }

    /// Sends until it is stopped, and then finishes what is on its way: a mail that a server has taken must be noted, or it
    /// would be sent again.
    pub async fn run(self, mut stopped: watch::Receiver<bool>) {
        let (mut polls, mut counts) = (interval(POLL), interval(MEASURE));
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        counts.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut under_way, mut told) = (JoinSet::new(), false);
        loop {
            tokio::select! {
                () = is_over(&mut stopped) => break,
                () = self.bell.notified() => {}
                _ = polls.tick() => {}
                Some(_) = under_way.join_next() => {}
                _ = counts.tick() => self.measure().await,
            }
            // A database that has not been seen yet may not have its tables.
            if self.app.prepared.is_set() {
                told = self.claim(&mut under_way, told).await;
            }
        }
        let rest = async { while under_way.join_next().await.is_some() {} };
        if timeout(DRAIN, rest).await.is_err() {
            tracing::warn!("mail was still on its way at the end; it may arrive twice");
        }
    }

    /// Claims as much as there is room for. Answers whether it was told that this fails.
    async fn claim(&self, under_way: &mut JoinSet<()>, told: bool) -> bool {
        let room = AT_ONCE.saturating_sub(under_way.len());
        if room == 0 {
            return told;
        }
        let begun = Instant::now();
        match outbox::claim(&self.post.database, self.post.own, LEASE, room).await {
            Ok(claimed) => {
                for mail in claimed {
                    under_way.spawn(Arc::clone(&self.post).send(mail, begun));
                }
                false
            }
            Err(error) => {
                if !told {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the outbox cannot be read");
                }
                true
            }
        }
    }

    async fn measure(&self) {
        if !self.app.prepared.is_set() {
            return;
        }
        match outbox::backlog(&self.post.database).await {
            Ok(backlog) => self.post.metrics.set_backlog(&backlog),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "nobody knows how much mail waits");
            }
        }
    }
}

/// What is to be noted of a mail.
enum Note {
    Settled(Outcome, String),
    Deferred(Duration),
}

impl Post {
    async fn send(self: Arc<Self>, claimed: Claimed, begun: Instant) {
        let (id, kind, attempts) = (claimed.mail.id, claimed.mail.kind, claimed.attempts);
        let note = match self.attempt(&claimed, begun).await {
            Ok(()) => Note::Settled(Outcome::Sent, String::new()),
            Err(note) => note,
        };
        match &note {
            Note::Settled(Outcome::Sent, _) => {
                tracing::debug!(mail = %id, kind = kind.as_str(), attempts, "mail was sent");
            }
            // A link that was used or replaced meanwhile: nothing is amiss.
            Note::Settled(Outcome::Expired, reason) => {
                tracing::info!(mail = %id, kind = kind.as_str(), reason, attempts, "mail is not sent");
            }
            Note::Settled(outcome, reason) => {
                let outcome = outcome.as_str();
                tracing::warn!(mail = %id, kind = kind.as_str(), outcome, reason, attempts, "mail is given up");
            }
            Note::Deferred(pause) => {
                tracing::info!(mail = %id, kind = kind.as_str(), attempts, ?pause, "mail is tried again later");
            }
        }
        // Whoever sees it counted finds it in the database.
        self.keep(&claimed, &note, begun).await;
        self.metrics.count(kind, note.word());
    }

    async fn attempt(&self, claimed: &Claimed, begun: Instant) -> Result<(), Note> {
        if !claimed.is_wanted {
            return Err(Note::Settled(Outcome::Expired, "it was no use any more".to_owned()));
        }
        let unreadable = |error: Unwritable| match error {
            // Another replica may have it, or this one after the next restart.
            Unwritable::Unopened(Unopened::UnknownSecret) => {
                Note::Deferred(backoff::pause(claimed.attempts, jitter()))
            }
            error => Note::Settled(Outcome::Unreadable, error.to_string()),
        };
        let letter = self.composer.write(&claimed.mail).map_err(unreadable)?;
        let Some(smtp) = &self.smtp else { return Ok(()) };
        let message = self.composer.message(&letter).map_err(unreadable)?;
        // A process that was stopped for a while may have lost its claim.
        if begun.elapsed() > LEASE.saturating_sub(2 * DELIVERY) {
            return Err(Note::Deferred(Duration::ZERO));
        }
        smtp.deliver(&self.sender, &message).await.map_err(|undelivered| {
            tracing::warn!(reason = %undelivered, "a mail server did not take mail");
            match undelivered {
                Undelivered::Refused(reason) => Note::Settled(Outcome::Refused, reason),
                Undelivered::Later(_) => Note::Deferred(backoff::pause(claimed.attempts, jitter())),
            }
        })
    }

    /// Tries until it is noted: what was sent and is not noted would be sent again. After the lease it is somebody else's.
    async fn keep(&self, claimed: &Claimed, note: &Note, begun: Instant) {
        let mut told = false;
        while let Err(error) = self.try_keep(claimed, note).await {
            if begun.elapsed() > LEASE {
                return;
            }
            if !told {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(mail = %claimed.mail.id, error, "what became of a mail cannot be noted yet");
                told = true;
            }
            sleep(NOTE_PAUSE).await;
        }
    }

    async fn try_keep(&self, claimed: &Claimed, note: &Note) -> Result<(), database::Error> {
        let (database, id) = (&self.database, claimed.mail.id);
        match note {
            Note::Deferred(pause) => outbox::defer(database, self.own, id, *pause).await,
            Note::Settled(outcome, reason) => {
                outbox::settle(database, self.own, id, (*outcome, reason), self.smtp.is_none()).await
            }
        }
    }
}

impl Note {
    const fn word(&self) -> &'static str {
        match self {
            Self::Settled(outcome, _) => outcome.as_str(),
            Self::Deferred(_) => "deferred",
        }
    }
}

/// Also when nobody is left who could say so.
async fn is_over(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stopped| *stopped).await);
}

/// Without randomness nothing is spread, and nothing else is lost.
fn jitter() -> u8 {
    let mut byte = [128];
    let _unchanged = aws_lc_rs::rand::fill(&mut byte);
    byte[0]
}
