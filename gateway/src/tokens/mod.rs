//! Access tokens: which are known, which keys verify the others, and where those keys come from.
//!
//! Shared by all cores. It verifies; whether a verified caller may do something is asked in the pipeline.

mod cache;
mod fetch;
mod keys;
mod verified;

use std::sync::Arc;
use std::time::Duration;

use access_token::{KeySet, KeySetError, Refusal, Verification};

pub use fetch::{FetchError, Source, keep_fresh};
pub use verified::Verified;

use cache::{Cache, Fingerprint, Generation};
use keys::{Change, Keys};

/// Why nobody is known by a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// The token is no good.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There are no keys to tell, because none could be fetched yet.
    #[error("no key set has been loaded yet")]
    NoKeys,
}

/// Where the answer came from, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The token had been verified before.
    Known,
    /// Its signature was checked now.
    Checked,
}

/// See the module.
#[derive(Debug)]
pub struct Tokens {
    verification: Verification,
    cache: Cache,
    keys: Keys,
}

impl Tokens {
    /// Nothing is known yet. For the two durations see `[tokens] jwks_cooldown` and `jwks_wait`.
    pub fn new(verification: Verification, cool_down: Duration, wait: Duration) -> Self {
        Self { verification, cache: Cache::default(), keys: Keys::new(cool_down, wait) }
    }

    /// The key set's state.
    pub(crate) const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether there is a key set.
    pub fn has_keys(&self) -> bool {
        self.keys.current().is_some()
    }

    /// How many tokens are known.
    pub fn known(&self) -> usize {
        self.cache.len()
    }

    /// How often fetching the key set succeeded and failed.
    pub fn fetches(&self) -> (u64, u64) {
        self.keys.fetches()
    }

    /// Takes a published document as the new key set, and forgets the tokens that it may no longer verify.
    ///
    /// # Errors
    /// The document is unusable; nothing changes.
    pub fn replace_keys(&self, document: &[u8]) -> Result<(), KeySetError> {
        // The keys first: from then on nothing can be verified by a lost key, and what still is will not be kept.
        if self.keys.replace(document)? == Change::Lost {
            tracing::info!("the key set lost a key: known tokens are verified again");
            self.cache.clear();
        }
        Ok(())
    }

    /// Who is known by this token at `now`, in Unix seconds. Waits only if its key is unknown.
    ///
    /// # Errors
    /// See [`Unverified`].
    pub async fn verify(&self, token: &str, now: i64) -> Result<(Arc<Verified>, Found), Unverified> {
        let fingerprint = Fingerprint::of(token);
        match self.cache.get(&fingerprint) {
            Some(known) => match known.check(&self.verification.audience, now) {
                Ok(()) => Ok((known, Found::Known)),
                Err(refusal) => {
                    self.cache.remove(&fingerprint);
                    Err(refusal.into())
                }
            },
            // Boxed: rare, and else part of the future that every request is.
            None => {
                Box::pin(self.check(token, fingerprint, now)).await.map(|verified| (verified, Found::Checked))
            }
        }
    }

    async fn check(
        &self,
        token: &str,
        fingerprint: Fingerprint,
        now: i64,
    ) -> Result<Arc<Verified>, Unverified> {
        // The generation before the keys: see `replace_keys`.
        let (began, keys) = (self.cache.generation(), self.keys.current());
        match self.check_with(keys.as_deref(), token, fingerprint, now, began) {
            Err(Unverified::NoKeys | Unverified::Refused(Refusal::UnknownKey { .. }))
                if self.keys.refreshed(keys.as_ref()).await =>
            {
                let (began, keys) = (self.cache.generation(), self.keys.current());
                self.check_with(keys.as_deref(), token, fingerprint, now, began)
            }
            result => result,
        }
    }

    fn check_with(
        &self,
        keys: Option<&KeySet>,
        token: &str,
        fingerprint: Fingerprint,
        now: i64,
        began: Generation,
    ) -> Result<Arc<Verified>, Unverified> {
        let claims = self.verification.verify(token, keys.ok_or(Unverified::NoKeys)?, now)?;
        let verified = Arc::new(Verified::new(claims));
        self.cache.insert(fingerprint, Arc::clone(&verified), began);
        Ok(verified)
    }
}
