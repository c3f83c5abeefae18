//! The signing keys in memory, swapped as a whole, so that a request never sees half of a change.
//!
//! JWKS answers and signatures go on from here while the database is away.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use jsonwebtoken::jwk::JwkSet;
use time::OffsetDateTime;

use super::signing_key::SigningKey;

/// The keys that this process can open; empty until they have been loaded.
#[derive(Debug, Default)]
pub struct KeyStore {
    keys: RwLock<Arc<Keys>>,
}

#[derive(Debug, Default)]
struct Keys {
    /// The one that signs from the latest time first.
    newest_first: Vec<Arc<SigningKey>>,
    jwks: Bytes,
}

impl KeyStore {
    /// A store without keys: it signs nothing, and the process is not ready.
    #[must_use]
    pub fn empty() -> Self {
        let store = Self::default();
        store.replace(Vec::new());
        store
    }

    /// Puts these keys in the place of those before.
    pub fn replace(&self, mut keys: Vec<SigningKey>) {
        keys.sort_by_key(|key| std::cmp::Reverse((key.signs_from(), key.kid().to_owned())));
        let jwks = document(&keys);
        let newest_first = keys.into_iter().map(Arc::new).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Keys { newest_first, jwks });
    }

    /// The key that signs at `now`: of those whose time has come, the one whose time came last.
    #[must_use]
    pub fn signer(&self, now: OffsetDateTime) -> Option<Arc<SigningKey>> {
        self.load().newest_first.iter().find(|key| key.signs_from() <= now).cloned()
    }

    /// Whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.load().newest_first.is_empty()
    }

    /// The key set as it is published, ready to send (RFC 7517, section 5).
    #[must_use]
    pub fn jwks(&self) -> Bytes {
        self.load().jwks.clone()
    }

    fn load(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A key set of texts cannot fail to be JSON.
fn document(keys: &[SigningKey]) -> Bytes {
    let keys = keys.iter().map(|key| key.jwk().clone()).collect();
    serde_json::to_vec(&JwkSet { keys }).unwrap_or_default().into()
}
