//! The feed of one replica: what its reader has found, held once and passed on to every subscriber.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};

use super::cursor::{Cursor, Incarnation};
use super::entries::Entries;
use super::events::{self, Beat};
use super::revocation::Revocation;

/// The database counts as read for so long after the beginning of a read.
const FRESH: Duration = Duration::from_secs(3);
/// Entries that are written in one piece.
pub(super) const BATCH: usize = 500;
/// Messages that a subscriber may be behind.
const BACKLOG: usize = 1024;
/// Subscribers of one replica.
pub const PLACES: usize = 512;
/// Subscribers that are written their first set at the same time: each holds a copy of the entries until it has them.
const FIRST_SETS: usize = 8;

/// What one read of the database has found.
#[derive(Debug, Clone)]
pub struct News {
    /// Which database it was.
    pub incarnation: Incarnation,
    /// The oldest transaction that was open.
    pub xmin: u64,
    /// The database's time.
    pub now: OffsetDateTime,
    /// Entries, each with the transaction that wrote it. They may repeat what was read before.
    pub entries: Vec<(u64, Revocation)>,
}

/// What subscribers are sent, in the order in which it happened.
#[derive(Debug, Clone)]
pub(super) enum Message {
    /// Entries, as they are written.
    Entries(Bytes),
    /// The database has been read.
    Beat(Beat),
    /// It has not.
    Silence,
}

/// Entries and subscribers.
#[derive(Debug)]
pub struct Feed {
    state: Mutex<State>,
    messages: broadcast::Sender<Message>,
    places: Arc<Semaphore>,
    pub(super) first_sets: Semaphore,
    draining: watch::Sender<bool>,
    cut: AtomicU64,
    begun: Instant,
}

#[derive(Debug, Default)]
struct State {
    entries: Entries,
    last: Option<(Beat, Instant)>,
}

/// There are as many subscribers as a replica takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the revocation feed has {PLACES} subscribers already")]
pub struct Full;

/// A place among the subscribers.
#[derive(Debug)]
pub struct Subscription {
    pub(super) cursor: Option<Cursor>,
    pub(super) _place: OwnedSemaphorePermit,
}

/// What a subscriber starts with.
#[derive(Debug)]
pub(super) struct Start {
    /// All that it lacks.
    pub(super) first: Vec<Revocation>,
    /// Known when `first` is everything, and not only all that is in memory.
    pub(super) beat: Option<Beat>,
    /// All that comes after.
    pub(super) messages: broadcast::Receiver<Message>,
}

/// How a feed stands, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedStatus {
    /// Entries in memory.
    pub entries: usize,
    /// Streams that are open.
    pub subscribers: usize,
    /// Streams that were ended because their subscriber did not keep up.
    pub cut: u64,
    /// How long ago the last successful read began, or this feed did.
    pub lag: Duration,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            messages: broadcast::Sender::new(BACKLOG),
            places: Arc::new(Semaphore::new(PLACES)),
            first_sets: Semaphore::new(FIRST_SETS),
            draining: watch::Sender::new(false),
            cut: AtomicU64::new(0),
            begun: Instant::now(),
        }
    }
}

impl Feed {
    /// Takes in a read that began at `begun`, and passes on what is new in it.
    pub fn publish(&self, news: News, begun: Instant) {
        let mut state = self.lock();
        let was_fresh = state.fresh_beat(begun).is_some();
        let cursor = Cursor { incarnation: news.incarnation, xmin: news.xmin };
        if state.last.is_some_and(|(beat, _)| !cursor.may_follow(beat.cursor)) {
            state.entries.outlive_incarnation();
        }
        let fresh: Vec<_> =
            news.entries.into_iter().filter_map(|(xid, entry)| state.entries.learn(entry, xid)).collect();
        self.send_entries(&fresh, cursor);
        let beat = Beat { cursor, now: news.now };
        state.last = Some((beat, begun));
        if !was_fresh {
            // Somebody may have waited for this, and need not wait for the next heartbeat.
            self.send(Message::Beat(beat));
        }
    }

    /// Tells every subscriber how things stand.
    pub fn beat(&self, now: Instant) {
        let state = self.lock();
        self.send(state.fresh_beat(now).map_or(Message::Silence, Message::Beat));
    }

    /// Lets go of entries that concern no living token.
    pub fn forget_expired(&self) {
        let mut state = self.lock();
        if let Some((beat, _)) = state.last {
            state.entries.forget_expired(beat.now);
        }
    }

    /// A place for somebody who has everything up to `cursor`.
    ///
    /// # Errors
    /// [`Full`]
    pub fn subscribe(&self, cursor: Option<Cursor>) -> Result<Subscription, Full> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Full)?;
        Ok(Subscription { cursor, _place: place })
    }

    /// What somebody with this cursor has to be told.
    pub(super) fn start(&self, cursor: Option<Cursor>, now: Instant) -> Start {
        let state = self.lock();
        Start {
            first: state.entries.since(state.first_transaction(cursor)),
            beat: state.fresh_beat(now),
            // Under the lock: what is published from now on is in the messages, and what was before is in `first`.
            messages: self.messages.subscribe(),
        }
    }

    /// From now on every stream ends.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Resolves when it does.
    pub(super) async fn drained(&self) {
        // The sender is in `self`, so it cannot be gone.
        let _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }

    pub(super) fn count_cut(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self, now: Instant) -> FeedStatus {
        let state = self.lock();
        FeedStatus {
            entries: state.entries.len(),
            subscribers: PLACES - self.places.available_permits(),
            cut: self.cut.load(Ordering::Relaxed),
            lag: now.saturating_duration_since(state.last.map_or(self.begun, |(_, begun)| begun)),
        }
    }

    fn send_entries(&self, entries: &[Revocation], cursor: Cursor) {
        if self.messages.receiver_count() == 0 {
            return;
        }
        let batches = entries.len().div_ceil(BATCH);
        for (index, batch) in entries.chunks(BATCH).enumerate() {
            let end = (index + 1 == batches).then_some(cursor);
            self.send(Message::Entries(events::revocations(batch, end)));
        }
    }

    fn send(&self, message: Message) {
        // An error says that nobody listens.
        let _ = self.messages.send(message);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fresh_beat(&self, now: Instant) -> Option<Beat> {
        let (beat, begun) = self.last?;
        (now.saturating_duration_since(begun) < FRESH).then_some(beat)
    }

    /// From where on a subscriber with this cursor lacks entries; 0 when it has none of ours. Nor is one of ours that is ahead
    /// of the last read: it is of a time that the database does not know any more, or forged.
    fn first_transaction(&self, theirs: Option<Cursor>) -> u64 {
        match (theirs, self.last) {
            (Some(theirs), Some((ours, _))) if ours.cursor.may_follow(theirs) => theirs.xmin,
            _ => 0,
        }
    }
}
