//! What has been revoked before it expired: sessions, users and clients below an epoch, and whether that is all known.
//!
//! All cores ask it at every request, and one background task writes to it ([`follow`]). Asking is two loads: every
//! token remembers at which version of the set nothing was found against it, and only after a change is the set
//! itself looked into. Revoked *keys* are the key set's business ([`super::keys`]).

mod entry;
mod event_stream;
mod follow;
mod freshness;
mod set;
mod subscription;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use access_token::Claims;

pub use follow::{follow, sweep};
pub use subscription::{Subscriber, Subscription};

use crate::config::OnStale;
use entry::{Entry, Revoked};
use freshness::Freshness;
use set::{Key, Set};

/// Of one token: what the set is asked about it, and the version of the set in which nothing was found.
#[derive(Debug)]
pub(super) struct Subject {
    session: Option<Key>,
    owner: Key,
    clear_at: AtomicU64,
}

impl Subject {
    /// A user's token is revoked with its session or its user, a client's with its client.
    pub(super) fn of(claims: &Claims) -> Self {
        let owner = match claims.sid {
            Some(_) => Key::user(&claims.sub),
            None => Key::client(&claims.client_id),
        };
        let session = claims.sid.as_deref().map(Key::session);
        Self { session, owner, clear_at: AtomicU64::new(0) }
    }
}

/// More came than is kept: from now on nobody can say what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {} revocations at once", set::MOST_ENTRIES)]
pub(crate) struct Full;

/// What an operator may know of the feed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FeedStatus {
    /// Entries that are kept.
    pub entries: usize,
    /// Whether changes may have been missed.
    pub stale: bool,
    /// Whether there was no room for all entries.
    pub overflowed: bool,
    /// Since the last heartbeat or snapshot; none before the first one.
    pub lag: Option<Duration>,
    /// Entries received, by [`KINDS`].
    pub events: [u64; KINDS.len()],
    /// Subscriptions that ended, for whatever reason.
    pub interruptions: u64,
}

/// The kinds of entries, as metrics call them.
pub const KINDS: [&str; 5] = ["session", "user", "client", "key", "unknown"];

/// Every set begins with a version that no other set has reached: a token that outlives its set, in an answer that
/// flows on after a reload, is looked up anew.
static FIRST_VERSION: AtomicU64 = AtomicU64::new(1);
const VERSIONS: u64 = 1 << 32;

/// See the module.
#[derive(Debug)]
pub struct Revocations {
    /// None: no feed is configured, and nothing is ever revoked.
    on_stale: Option<OnStale>,
    /// Goes up after every change of the set.
    version: AtomicU64,
    set: Set,
    freshness: Freshness,
    overflowed: AtomicBool,
    events: [AtomicU64; KINDS.len()],
    interruptions: AtomicU64,
}

impl Revocations {
    /// Nothing is known yet, which counts as stale if there is a feed to know it from.
    pub(super) fn new(on_stale: Option<OnStale>) -> Self {
        Self {
            on_stale,
            version: AtomicU64::new(FIRST_VERSION.fetch_add(VERSIONS, Ordering::Relaxed)),
            set: Set::default(),
            freshness: Freshness::new(Instant::now()),
            overflowed: AtomicBool::new(false),
            events: Default::default(),
            interruptions: AtomicU64::new(0),
        }
    }

    /// Whether this token, of this epoch, has been revoked.
    pub(super) fn concerns(&self, subject: &Subject, epoch: u32) -> bool {
        // The version before the set: an entry that comes in between is found again at the next version.
        let version = self.version.load(Ordering::Acquire);
        if subject.clear_at.load(Ordering::Relaxed) == version {
            return false;
        }
        let ended = subject.session.is_some_and(|session| self.set.least_epoch(session).is_some());
        if ended || self.set.least_epoch(subject.owner).is_some_and(|least| epoch < least) {
            return true;
        }
        subject.clear_at.store(version, Ordering::Relaxed);
        false
    }

    /// Whether a good token must be refused because nobody knows if it has been revoked.
    pub fn are_in_doubt(&self) -> bool {
        // The one further look at the clock: a head that took long to arrive must not be judged by when it began.
        self.overflowed.load(Ordering::Relaxed)
            || self.on_stale == Some(OnStale::Deny) && self.freshness.is_stale(Instant::now())
    }

    /// Whether there is a feed at all.
    pub const fn are_followed(&self) -> bool {
        self.on_stale.is_some()
    }

    /// How things stand; none without a feed.
    pub fn status(&self) -> Option<FeedStatus> {
        let now = Instant::now();
        self.on_stale.map(|_| FeedStatus {
            entries: self.set.len(),
            stale: self.freshness.is_stale(now),
            overflowed: self.overflowed.load(Ordering::Relaxed),
            lag: self.freshness.age(now),
            events: [0, 1, 2, 3, 4].map(|kind: usize| self.events[kind].load(Ordering::Relaxed)),
            interruptions: self.interruptions.load(Ordering::Relaxed),
        })
    }

    /// Takes an entry in. It counts from the next [`Revocations::changed`] on.
    fn take(&self, entry: &Entry, now: i64) -> Result<(), Full> {
        self.events[entry.revoked.kind()].fetch_add(1, Ordering::Relaxed);
        let until = entry.until();
        if until <= now {
            return Ok(());
        }
        match &entry.revoked {
            Revoked::Session { sid } => self.set.revoke(Key::session(sid), u32::MAX, until),
            Revoked::User { sub, least_epoch } => self.set.revoke(Key::user(sub), *least_epoch, until),
            Revoked::Client { client_id, least_epoch } => {
                self.set.revoke(Key::client(client_id), *least_epoch, until)
            }
            Revoked::Key { .. } | Revoked::Unknown => Ok(()),
        }
    }

    /// From here on every token is looked up again, once.
    fn changed(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }

    /// The other side lives, and everything that it had to say until now has been taken in.
    fn heard(&self) {
        self.freshness.heard(Instant::now());
    }

    fn interrupted(&self) {
        self.interruptions.fetch_add(1, Ordering::Relaxed);
    }

    fn overflow(&self, overflowed: bool) {
        self.overflowed.store(overflowed, Ordering::Relaxed);
    }

    /// Forgets what died.
    pub(super) fn sweep(&self, now: i64) {
        self.set.sweep(now);
    }
}

#[cfg(test)]
mod tests;
