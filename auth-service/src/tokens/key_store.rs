//! The signing keys in memory, swapped as a whole, so that a request never sees half of a change.
//!
//! JWKS answers go on from here while the database is away. Signing goes by the database's clock, and only while this replica
//! must know of every key that signs by now.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use access_token::KeySet;
use bytes::Bytes;
use jsonwebtoken::jwk::JwkSet;
use time::OffsetDateTime;

use super::rotation::turn;
use super::signing_key::SigningKey;

/// The keys that this process can open; empty until they have been loaded.
#[derive(Debug)]
pub struct KeyStore {
    keys: RwLock<Arc<Keys>>,
}

/// When and how a set of keys was read.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// When.
    pub at: Instant,
    /// How far the database's clock was ahead of ours, or less by what the answer took.
    pub clock_ahead: time::Duration,
    /// How long the set signs: `KEY_PUBLISH_AHEAD`, in which no key comes that would sign.
    pub good_for: Duration,
    /// How many rows were left out, because they did not open.
    pub refused: usize,
}

#[derive(Debug)]
struct Keys {
    /// The one that signs from the latest time first.
    newest_first: Vec<Arc<SigningKey>>,
    jwks: Bytes,
    key_set: Arc<KeySet>,
    longest_token_lifetime: Duration,
    reading: Reading,
}

impl KeyStore {
    /// A store without keys: it signs nothing, and the process is not ready.
    #[must_use]
    pub fn empty() -> Self {
        let (clock_ahead, good_for) = (time::Duration::ZERO, Duration::ZERO);
        let reading = Reading { at: Instant::now(), clock_ahead, good_for, refused: 0 };
        Self { keys: RwLock::new(Arc::new(Keys::new(Vec::new(), reading))) }
    }

    /// Puts these keys in the place of those before.
    pub fn replace(&self, keys: Vec<SigningKey>, reading: Reading) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Keys::new(keys, reading));
    }

    /// The key that signs at `now`, our time: of those whose time has come, the one whose time came last.
    #[must_use]
    pub fn signer(&self, now: OffsetDateTime) -> Option<Arc<SigningKey>> {
        let keys = self.load();
        // Later than this another replica may have made a key that signs by now, and this one's would be retired too soon.
        if keys.reading.at.elapsed() > keys.reading.good_for {
            return None;
        }
        let now = now + keys.reading.clock_ahead;
        keys.newest_first.iter().find(|key| key.label().times.signs_from <= now).cloned()
    }

    /// The database's time at `now`, our time. Tokens are dated by it: replicas' clocks differ, and what ends a session is
    /// remembered until its last token is dead by this clock.
    #[must_use]
    pub fn database_time(&self, now: OffsetDateTime) -> OffsetDateTime {
        now + self.load().reading.clock_ahead
    }

    /// Whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.load().newest_first.is_empty()
    }

    /// How many keys are published.
    #[must_use]
    pub fn published(&self) -> usize {
        self.load().newest_first.len()
    }

    /// How long any token may live that one of the keys signed or signs.
    #[must_use]
    pub fn longest_token_lifetime(&self) -> Duration {
        self.load().longest_token_lifetime
    }

    /// When and how the keys were read.
    #[must_use]
    pub fn reading(&self) -> Reading {
        self.load().reading
    }

    /// The key set as it is published, ready to send (RFC 7517, section 5).
    #[must_use]
    pub fn jwks(&self) -> Bytes {
        self.load().jwks.clone()
    }

    /// The same, prepared to verify with.
    #[must_use]
    pub fn verification_keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.load().key_set)
    }

    fn load(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Keys {
    fn new(mut keys: Vec<SigningKey>, reading: Reading) -> Self {
        keys.sort_by(|one, other| turn(other.label()).cmp(&turn(one.label())));
        let jwks = document(&keys);
        let lifetimes = keys.iter().map(|key| key.label().times.token_lifetime);
        let longest_token_lifetime = lifetimes.max().unwrap_or_default();
        // Without a key there is nothing to verify with, and everything is refused.
        let key_set = Arc::new(KeySet::parse(&jwks).unwrap_or_default());
        let newest_first = keys.into_iter().map(Arc::new).collect();
        Self { newest_first, jwks, key_set, longest_token_lifetime, reading }
    }
}

/// A key set of texts cannot fail to be JSON.
fn document(keys: &[SigningKey]) -> Bytes {
    let keys = keys.iter().map(|key| key.jwk().clone()).collect();
    serde_json::to_vec(&JwkSet { keys }).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::rotation::KeyTimes;
    use crate::tokens::signing_key::Algorithm;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-24 12:00 UTC);

    fn store(clock_ahead: time::Duration, good_for: Duration) -> KeyStore {
        let times = KeyTimes { created_at: NOW, signs_from: NOW, token_lifetime: Duration::from_secs(900) };
        let pkcs8 = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let key = SigningKey::from_pkcs8(Algorithm::EdDsa, &pkcs8, times).unwrap();
        let store = KeyStore::empty();
        store.replace(vec![key], Reading { at: Instant::now(), clock_ahead, good_for, refused: 0 });
        store
    }

    #[test]
    fn the_databases_clock_decides_who_signs() {
        let hour = Duration::from_secs(3600);
        let check = |ahead: i64, seconds: i64, signs: bool| {
            let store = store(time::Duration::seconds(ahead), hour);
            assert_eq!(
                store.signer(NOW + time::Duration::seconds(seconds)).is_some(),
                signs,
                "{ahead} {seconds}"
            );
        };
        check(0, 0, true);
        check(0, -1, false);
        check(5, -5, true);
        check(5, -6, false);
        check(-5, 4, false);
        check(-5, 5, true);
    }

    #[test]
    fn keys_that_were_not_read_for_too_long_are_published_and_do_not_sign() {
        let store = store(time::Duration::ZERO, Duration::ZERO);
        assert!(store.signer(NOW).is_none());
        assert_eq!(store.published(), 1);
        assert!(store.jwks().len() > 20);
    }
}
