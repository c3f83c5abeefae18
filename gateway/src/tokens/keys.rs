//! The key set that tokens are verified with: what it is now, and how a request with an unknown key gets one
//! shared refresh of it.
//!
//! Owns the state only; `fetch` does the fetching, in the background. A set is replaced as a whole and is never
//! taken away: whatever goes wrong, the last good one stays.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use access_token::{KeySet, KeySetError};
use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::revocations::Full;

/// An honest auth service has two or three keys.
const MOST_REVOKED: usize = 1024;
/// For so long after a key was revoked the key set is fetched whenever a token needs it.
const UNSETTLED: Duration = Duration::from_secs(10);
/// Between two such fetches.
const SHORT_COOL_DOWN: Duration = Duration::from_millis(100);

/// What a new document did to the key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The same keys, perhaps and some more: whatever was verified stays verified.
    Kept,
    /// A key is gone or another one: what was verified must be verified again.
    Lost,
}

#[derive(Debug, Clone, Default)]
struct Loaded {
    keys: Option<Arc<KeySet>>,
    /// Each key as it was published, by `kid`.
    published: BTreeMap<String, Value>,
    /// Never used again, wherever they are still published; until when, in Unix seconds.
    revoked: BTreeMap<String, i64>,
}

#[derive(Debug, Default)]
struct Rounds {
    running: bool,
    last: Option<Instant>,
    /// A key was revoked a moment ago, and the one in its place may sign before it is published everywhere.
    unsettled_until: Option<Instant>,
    /// The key that somebody waits for.
    missing: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Keys {
    loaded: RwLock<Loaded>,
    rounds: Mutex<Rounds>,
    wanted: Notify,
    finished: watch::Sender<u64>,
    cool_down: Duration,
    wait: Duration,
    failures: AtomicU64,
    successes: AtomicU64,
}

impl Keys {
    /// No keys yet. Unknown keys cause at most one refresh per `cool_down`, and a request waits for it for at most
    /// `wait`.
    pub(crate) fn new(cool_down: Duration, wait: Duration) -> Self {
        Self {
            loaded: RwLock::default(),
            rounds: Mutex::default(),
            wanted: Notify::new(),
            finished: watch::Sender::new(0),
            cool_down,
            wait,
            failures: AtomicU64::new(0),
            successes: AtomicU64::new(0),
        }
    }

    /// The key set; none before the first was fetched.
    pub(crate) fn current(&self) -> Option<Arc<KeySet>> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).keys.clone()
    }

    /// Whether there is a key set with anything in it.
    pub(crate) fn are_usable(&self) -> bool {
        self.current().is_some_and(|keys| !keys.is_empty())
    }

    /// Whether a key was revoked.
    pub(crate) fn is_revoked(&self, kid: &str) -> bool {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).revoked.contains_key(kid)
    }

    /// Drops a key, and takes it from no document any more until `until`. Answers whether that is news.
    ///
    /// # Errors
    /// So many are revoked already that there is no room for another.
    pub(crate) fn revoke(&self, kid: &str, until: i64) -> Result<bool, Full> {
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = loaded.revoked.get_mut(kid) {
            *known = until.max(*known);
            return Ok(false);
        }
        if loaded.revoked.len() >= MOST_REVOKED {
            return Err(Full);
        }
        loaded.revoked.insert(kid.to_owned(), until);
        loaded.keys = loaded.keys.take().map(|keys| Arc::new(KeySet::clone(&keys).without(|id| id == kid)));
        drop(loaded);
        // Another key signs in its place, and perhaps from this moment on.
        self.rounds().unsettled_until = Some(Instant::now() + UNSETTLED);
        self.wanted.notify_one();
        Ok(true)
    }

    /// Forgets revocations that are over: no token of those keys lives, and nobody publishes them.
    pub(crate) fn sweep(&self, now: i64) {
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.revoked.retain(|_, until| *until > now);
    }

    /// How many keys are revoked.
    pub(crate) fn revoked(&self) -> usize {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).revoked.len()
    }

    /// How often a fetch succeeded and failed.
    pub(crate) fn fetches(&self) -> (u64, u64) {
        (self.successes.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed))
    }

    /// This key, or any, is not in `used`. Waits for a refresh if one may be had; answers whether to look again.
    pub(crate) async fn refreshed(&self, used: Option<&Arc<KeySet>>, missing: Option<&str>) -> bool {
        let mut finished = self.finished.subscribe();
        if !self.same(used) {
            return true;
        }
        if !self.ask(missing) {
            return false;
        }
        let refreshed = tokio::time::timeout(self.wait, finished.changed()).await;
        refreshed.is_ok() && !self.same(used)
    }

    /// Takes a published document as the new key set.
    ///
    /// # Errors
    /// The document is unusable; the key set stays what it was.
    pub(crate) fn replace(&self, document: &[u8]) -> Result<Change, KeySetError> {
        let keys = KeySet::parse(document)?;
        let published = published(document);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        if loaded.keys.is_some() && loaded.published == published {
            return Ok(Change::Kept);
        }
        let lost = loaded.published.iter().any(|(kid, key)| published.get(kid) != Some(key));
        // A cache on the way may still have what was revoked.
        loaded.keys = Some(Arc::new(keys.without(|kid| loaded.revoked.contains_key(kid))));
        loaded.published = published;
        Ok(if lost { Change::Lost } else { Change::Kept })
    }

    /// A fetch begins.
    pub(crate) fn round_begins(&self) {
        self.rounds().running = true;
    }

    /// A fetch ended; whoever waits for it looks again.
    pub(crate) fn round_ends(&self, succeeded: bool) {
        let counter = if succeeded { &self.successes } else { &self.failures };
        counter.fetch_add(1, Ordering::Relaxed);
        let mut rounds = self.rounds();
        (rounds.running, rounds.last, rounds.missing) = (false, Some(Instant::now()), None);
        drop(rounds);
        self.finished.send_modify(|rounds| *rounds += 1);
    }

    /// The key that the round under way is for, if the current set lacks it.
    pub(crate) fn still_missing(&self) -> Option<String> {
        let missing = self.rounds().missing.clone()?;
        let has_it = self.current().is_some_and(|keys| keys.contains(&missing));
        (!has_it && !self.is_revoked(&missing)).then_some(missing)
    }

    /// Resolves when a refresh is wanted, by a request or because a key was revoked.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    fn same(&self, used: Option<&Arc<KeySet>>) -> bool {
        match (used, &self.current()) {
            (Some(used), Some(current)) => Arc::ptr_eq(used, current),
            (None, None) => true,
            _ => false,
        }
    }

    /// Is a refresh under way, or may one be begun?
    fn ask(&self, missing: Option<&str>) -> bool {
        let mut rounds = self.rounds();
        if !rounds.running {
            let cool_down = if rounds.are_unsettled() { SHORT_COOL_DOWN } else { self.cool_down };
            if rounds.last.is_some_and(|last| last.elapsed() < cool_down) {
                return false;
            }
            rounds.running = true;
            rounds.missing = missing.map(str::to_owned);
            self.wanted.notify_one();
        }
        true
    }

    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rounds {
    fn are_unsettled(&self) -> bool {
        self.unsettled_until.is_some_and(|until| Instant::now() < until)
    }
}

/// The document's keys by `kid`. It has been parsed as a key set before, so it has the right form.
fn published(document: &[u8]) -> BTreeMap<String, Value> {
    let mut document: Value = serde_json::from_slice(document).unwrap_or_default();
    let keys = document["keys"].as_array_mut().map(std::mem::take).unwrap_or_default();
    keys.into_iter().filter_map(|key| Some((key["kid"].as_str()?.to_owned(), key))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOL_DOWN: Duration = Duration::from_secs(3600);
    const X: [&str; 2] =
        ["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"];

    fn document(keys: &[(&str, usize)]) -> Vec<u8> {
        let keys: Vec<_> = keys
            .iter()
            .map(|&(kid, x)| serde_json::json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": X[x]}))
            .collect();
        serde_json::to_vec(&serde_json::json!({ "keys": keys })).unwrap()
    }

    fn loaded() -> Keys {
        let keys = Keys::new(COOL_DOWN, Duration::from_secs(5));
        keys.replace(&document(&[("a", 0)])).unwrap();
        keys
    }

    #[test]
    fn only_a_lost_key_counts_as_lost() {
        let keys = loaded();
        let check = |set: &[(&str, usize)], expected| {
            assert_eq!(keys.replace(&document(set)), Ok(expected), "{set:?}");
        };
        check(&[("a", 0)], Change::Kept);
        check(&[("a", 0), ("b", 1)], Change::Kept);
        check(&[("b", 1)], Change::Lost);
        check(&[("b", 0)], Change::Lost);
    }

    #[test]
    fn an_unusable_document_changes_nothing() {
        let keys = loaded();
        assert_eq!(keys.replace(b"{\"keys\": []}"), Err(KeySetError::Empty));
        assert_eq!(keys.replace(b"<html>"), Err(KeySetError::Malformed));
        assert!(keys.current().unwrap().contains("a"));
    }

    #[test]
    fn a_revoked_key_does_not_come_back_while_it_is_revoked() {
        let keys = loaded();
        keys.replace(&document(&[("a", 0), ("b", 1)])).unwrap();
        assert_eq!([keys.revoke("a", 100), keys.revoke("a", 200)], [Ok(true), Ok(false)]);
        assert!(!keys.current().unwrap().contains("a") && keys.current().unwrap().contains("b"));
        keys.replace(&document(&[("a", 0)])).unwrap();
        assert!(!keys.current().unwrap().contains("a") && keys.is_revoked("a"));
        assert!(!keys.are_usable(), "an empty set is none");
        keys.sweep(199);
        assert!(keys.is_revoked("a"));
        keys.sweep(200);
        keys.replace(&document(&[("a", 0), ("b", 1)])).unwrap();
        assert!(keys.are_usable() && keys.current().unwrap().contains("a"));
    }

    #[test]
    fn revoked_keys_are_bounded() {
        let keys = loaded();
        for number in 0..MOST_REVOKED {
            keys.revoke(&number.to_string(), 100).unwrap();
        }
        assert_eq!(keys.revoke("one more", 100), Err(Full));
        assert!(keys.current().unwrap().contains("a"));
    }

    #[tokio::test]
    async fn everybody_waits_for_one_refresh() {
        let keys = loaded();
        let used = keys.current();
        let fetcher = async {
            keys.wanted().await;
            keys.round_begins();
            keys.replace(&document(&[("a", 0), ("b", 1)])).unwrap();
            keys.round_ends(true);
        };
        let (first, second, ()) =
            tokio::join!(keys.refreshed(used.as_ref(), None), keys.refreshed(used.as_ref(), None), fetcher);
        assert!(first && second);
        assert_eq!(keys.fetches(), (1, 0));
    }

    #[tokio::test]
    async fn within_the_cool_down_nobody_waits() {
        let keys = loaded();
        keys.round_begins();
        keys.round_ends(true);
        let used = keys.current();
        assert!(!keys.refreshed(used.as_ref(), None).await);
        keys.replace(&document(&[("c", 1)])).unwrap();
        assert!(keys.refreshed(used.as_ref(), None).await, "the set has changed already");
    }

    #[tokio::test]
    async fn a_revoked_key_is_a_reason_to_fetch_and_shortens_the_cool_down() {
        let keys = loaded();
        keys.round_begins();
        keys.round_ends(true);
        keys.revoke("a", 100).unwrap();
        keys.wanted().await;
        keys.round_begins();
        keys.round_ends(true);
        tokio::time::sleep(SHORT_COOL_DOWN).await;
        let used = keys.current();
        let fetcher = async {
            keys.wanted().await;
            keys.round_begins();
            assert_eq!(keys.still_missing().as_deref(), Some("b"));
            keys.replace(&document(&[("b", 1)])).unwrap();
            assert_eq!(keys.still_missing(), None);
            keys.round_ends(true);
        };
        let (refreshed, ()) = tokio::join!(keys.refreshed(used.as_ref(), Some("b")), fetcher);
        assert!(refreshed);
    }

    #[tokio::test]
    async fn the_wait_is_bounded() {
        let keys = Keys::new(COOL_DOWN, Duration::from_millis(1));
        assert!(!keys.refreshed(keys.current().as_ref(), None).await);
    }
}
