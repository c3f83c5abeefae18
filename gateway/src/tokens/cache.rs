//! The tokens that have been verified, so that a signature is checked once and not at every request.
//!
//! One cache for all cores, in shards that are locked for the length of a look-up. Its key is the SHA-256 of the
//! token, so a token itself is never kept. It is bounded: each shard has a young and an old half; what is used
//! stays young, and when the young half is full the old one is forgotten.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;

use super::Verified;

/// Enough that cores practically never meet: with eight cores a look-up finds its shard taken once in thousands.
const SHARDS: usize = 256;
/// How many tokens are remembered at most.
const CAPACITY: usize = 1 << 18;
const HALF_SHARD: usize = CAPACITY / SHARDS / 2;

/// SHA-256 of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a token.
    pub(super) fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }

    fn shard(&self) -> usize {
        usize::from(self.0[31]) % SHARDS
    }
}

impl std::hash::Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// SHA-256 is spread evenly already; nobody can choose tokens that we signed.
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

type Half = HashMap<Fingerprint, Arc<Verified>, BuildHasherDefault<AsIs>>;

#[derive(Debug, Default)]
struct Shard {
    young: Half,
    old: Half,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Cache {
    shards: Box<[Mutex<Shard>]>,
    /// Raised whenever everything is forgotten, so that a verification under way does not come back late.
    generation: AtomicU64,
}

/// The generation of a [`Cache`] at the moment when a verification began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u64);

impl Default for Cache {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), generation: AtomicU64::new(0) }
    }
}

impl Cache {
    /// What is known of a token.
    pub(super) fn get(&self, token: &Fingerprint) -> Option<Arc<Verified>> {
        let mut shard = self.shard(token);
        if let Some(found) = shard.young.get(token) {
            return Some(Arc::clone(found));
        }
        let found = shard.old.remove(token)?;
        shard.insert(*token, Arc::clone(&found));
        Some(found)
    }

    /// To be asked before the key set is read, and given back to [`Cache::insert`].
    pub(super) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    /// Remembers a token, unless everything was forgotten since its verification began.
    pub(super) fn insert(&self, token: Fingerprint, verified: Arc<Verified>, began: Generation) {
        let mut shard = self.shard(&token);
        if self.generation() == began {
            shard.insert(token, verified);
        }
    }

    /// Forgets a token, because it has expired.
    pub(super) fn remove(&self, token: &Fingerprint) {
        let mut shard = self.shard(token);
        shard.young.remove(token);
        shard.old.remove(token);
    }

    /// Forgets everything, what is being verified right now included.
    pub(super) fn clear(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        for shard in &self.shards {
            *lock(shard) = Shard::default();
        }
    }

    /// How many tokens are remembered.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard)).map(|shard| shard.young.len() + shard.old.len()).sum()
    }

    fn shard(&self, token: &Fingerprint) -> MutexGuard<'_, Shard> {
        lock(&self.shards[token.shard()])
    }
}

impl Shard {
    fn insert(&mut self, token: Fingerprint, verified: Arc<Verified>) {
        if self.young.len() >= HALF_SHARD {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(token, verified);
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // Nothing panics while a shard is locked, and a half-made change would still be a sound map.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::verified::tests::verified;

    fn filled(count: usize) -> (Cache, Vec<Fingerprint>) {
        let (cache, known) = (Cache::default(), Arc::new(verified()));
        let tokens: Vec<_> = (0..count).map(|n| Fingerprint::of(&n.to_string())).collect();
        for token in &tokens {
            cache.insert(*token, Arc::clone(&known), cache.generation());
        }
        (cache, tokens)
    }

    #[test]
    fn a_token_is_found_by_its_own_fingerprint_only() {
        let (cache, tokens) = filled(3);
        assert!(tokens.iter().all(|token| cache.get(token).is_some()));
        assert!(cache.get(&Fingerprint::of("another")).is_none());
        cache.remove(&tokens[0]);
        assert!(cache.get(&tokens[0]).is_none());
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn it_never_holds_more_than_its_capacity() {
        let (cache, tokens) = filled(2 * CAPACITY);
        assert!(cache.len() <= CAPACITY, "{}", cache.len());
        assert!(cache.get(&tokens[2 * CAPACITY - 1]).is_some(), "the newest stays");
    }

    #[test]
    fn what_is_used_outlives_what_is_not() {
        let (cache, known) = (Cache::default(), Arc::new(verified()));
        let used = Fingerprint::of("used");
        cache.insert(used, Arc::clone(&known), cache.generation());
        for n in 0..2 * CAPACITY {
            cache.insert(Fingerprint::of(&n.to_string()), Arc::clone(&known), cache.generation());
            if n % 4096 == 0 {
                assert!(cache.get(&used).is_some(), "{n}");
            }
        }
    }

    #[test]
    fn clearing_reaches_verifications_under_way() {
        let (cache, tokens) = filled(10);
        let began = cache.generation();
        cache.clear();
        assert_eq!(cache.len(), 0);
        cache.insert(tokens[0], Arc::new(verified()), began);
        assert_eq!(cache.len(), 0, "verified by keys that are gone");
        cache.insert(tokens[0], Arc::new(verified()), cache.generation());
        assert_eq!(cache.len(), 1);
    }
}
