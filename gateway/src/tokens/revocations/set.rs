//! The set itself: below which epoch a session, user or client is refused, until when.
//!
//! Sharded, so that a reader practically never meets the one writer. Its keys are 16 bytes of a SHA-256, whatever the
//! length of the id: two ids that share them by accident would need 2^64 entries, and then one is refused wrongly.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};

use super::Full;

/// How many entries are kept, in 55 MB. Beyond it tokens are refused ([`super::Revocations::are_in_doubt`]).
pub(super) const MOST_ENTRIES: usize = 1 << 20;

const SHARDS: usize = 64;

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key([u8; 16]);

impl Key {
    pub(super) fn session(id: &str) -> Self {
        Self::of(b"session\0", id)
    }

    pub(super) fn user(id: &str) -> Self {
        Self::of(b"user\0", id)
    }

    pub(super) fn client(id: &str) -> Self {
        Self::of(b"client\0", id)
    }

    fn of(kind: &[u8], id: &str) -> Self {
        let mut hash = Context::new(&SHA256);
        hash.update(kind);
        hash.update(id.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finish().as_ref()[..16]);
        Self(bytes)
    }

    fn shard(self) -> usize {
        usize::from(self.0[15]) % SHARDS
    }
}

impl std::hash::Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// SHA-256 is spread evenly already.
#[derive(Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[derive(Debug, Clone, Copy)]
struct Until {
    least_epoch: u32,
    /// In Unix seconds, which fit until 2106.
    expires_at: u32,
}

type Shard = HashMap<Key, Until, BuildHasherDefault<AsIs>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Set {
    shards: Box<[Mutex<Shard>]>,
    entries: AtomicUsize,
}

impl Default for Set {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), entries: AtomicUsize::new(0) }
    }
}

impl Set {
    /// The epoch below which this is refused; none: it is not in the set.
    pub(super) fn least_epoch(&self, key: Key) -> Option<u32> {
        lock(&self.shards[key.shard()]).get(&key).map(|until| until.least_epoch)
    }

    /// Adds an entry, or makes the one that is there stricter.
    pub(super) fn revoke(&self, key: Key, least_epoch: u32, expires_at: i64) -> Result<(), Full> {
        let expires_at = u32::try_from(expires_at.max(0)).unwrap_or(u32::MAX);
        match lock(&self.shards[key.shard()]).entry(key) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.least_epoch = known.least_epoch.max(least_epoch);
                known.expires_at = known.expires_at.max(expires_at);
            }
            Entry::Vacant(_) if self.len() >= MOST_ENTRIES => return Err(Full),
            Entry::Vacant(place) => {
                place.insert(Until { least_epoch, expires_at });
                self.entries.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Forgets what has died by `now`, and gives memory back that a crowd of entries has left behind.
    pub(super) fn sweep(&self, now: i64) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let before = shard.len();
            shard.retain(|_, until| i64::from(until.expires_at) > now);
            self.entries.fetch_sub(before - shard.len(), Ordering::Relaxed);
            if shard.capacity() > 4 * shard.len().max(16) {
                shard.shrink_to_fit();
            }
        }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // Nothing panics while a shard is locked, and a half-made change would still be a sound map.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_about_one_kind_and_one_id() {
        let set = Set::default();
        set.revoke(Key::session("a"), 1, 100).unwrap();
        assert_eq!(set.least_epoch(Key::session("a")), Some(1));
        for other in [Key::session("A"), Key::session(""), Key::user("a"), Key::client("a")] {
            assert_eq!(set.least_epoch(other), None);
        }
    }

    #[test]
    fn the_same_again_only_makes_it_stricter() {
        let set = Set::default();
        for (least, until) in [(3, 100), (2, 200), (4, 50)] {
            set.revoke(Key::user("ann"), least, until).unwrap();
        }
        assert_eq!((set.least_epoch(Key::user("ann")), set.len()), (Some(4), 1));
        set.sweep(199);
        assert_eq!(set.len(), 1);
        set.sweep(200);
        assert_eq!((set.least_epoch(Key::user("ann")), set.len()), (None, 0));
    }

    #[test]
    fn what_does_not_fit_is_said_to_and_what_is_there_stays() {
        let set = Set::default();
        for number in 0..MOST_ENTRIES {
            set.revoke(Key::session(&number.to_string()), u32::MAX, 100).unwrap();
        }
        assert_eq!(set.revoke(Key::session("one more"), u32::MAX, 100), Err(Full));
        assert_eq!(set.revoke(Key::session("0"), u32::MAX, 200), Ok(()), "already there");
        assert_eq!(set.len(), MOST_ENTRIES);
        set.sweep(150);
        assert_eq!(set.len(), 1);
        let room: usize = set.shards.iter().map(|shard| lock(shard).capacity()).sum();
        assert!(room < MOST_ENTRIES / 100, "{room}");
    }

    #[test]
    fn times_of_any_size_are_kept_on_the_safe_side() {
        let set = Set::default();
        set.revoke(Key::user("for ever"), 1, i64::MAX).unwrap();
        set.sweep(4_000_000_000);
        assert_eq!(set.len(), 1);
    }
}
