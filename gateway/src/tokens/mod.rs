//! Access tokens: which are known, which keys verify the others, where those keys come from, and what was revoked.
//!
//! Shared by all cores. It verifies; whether a verified caller may do something is asked in the pipeline.

mod cache;
mod fetch;
mod keys;
mod revocations;
mod source;
mod verified;

use std::sync::Arc;
use std::time::Duration;

use access_token::{KeySet, KeySetError, Refusal, Verification};

pub use fetch::{FetchError, keep_fresh};
pub use revocations::{FeedStatus, KINDS, Revocations, Subscriber, Subscription, follow, sweep};
pub use source::Source;
pub use verified::Verified;

use crate::config::OnStale;
#[cfg(test)]
pub(crate) use verified::tests::verified as verified_for_tests;

use cache::{Cache, Fingerprint, Generation};
use keys::{Change, Keys};

/// Why nobody is known by a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// The token is no good.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The token was good until its session, its user or its client was revoked.
    #[error("the token has been revoked")]
    Revoked,
    /// There are no keys to tell, because none could be fetched yet.
    #[error("no key set has been loaded yet")]
    NoKeys,
}

impl Unverified {
    fn missing_key(&self) -> Option<&str> {
        match self {
            Self::Refused(Refusal::UnknownKey { kid }) => Some(kid),
            _ => None,
        }
    }
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
    revocations: Revocations,
}

impl Tokens {
    /// Nothing is known yet. For the two durations see `[tokens] jwks_cooldown` and `jwks_wait`; `on_stale` is none
    /// where no feed of revocations is configured.
    pub fn new(
        verification: Verification,
        cool_down: Duration,
        wait: Duration,
        on_stale: Option<OnStale>,
    ) -> Self {
        let (cache, keys) = (Cache::default(), Keys::new(cool_down, wait));
        Self { verification, cache, keys, revocations: Revocations::new(on_stale) }
    }

    /// The key set's state.
    pub(crate) const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What is revoked.
    pub const fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// How the feed of revocations stands; none if none is configured.
    pub fn feed(&self) -> Option<FeedStatus> {
        let status = self.revocations.status()?;
        Some(FeedStatus { entries: status.entries + self.keys.revoked(), ..status })
    }

    /// Whether a token that was verified has been revoked since.
    pub fn is_revoked(&self, verified: &Verified) -> bool {
        self.revocations.concerns(verified.subject(), verified.principal().epoch())
    }

    /// The same for an answer that still flows, which nobody asks the cache about: its key may be revoked as well.
    pub fn is_over(&self, verified: &Verified) -> bool {
        self.is_revoked(verified) || self.keys.is_revoked(verified.key())
    }

    /// Whether there is a key set.
    pub fn has_keys(&self) -> bool {
        self.keys.are_usable()
    }

    /// How many tokens are known.
    pub fn known(&self) -> usize {
        self.cache.len()
    }

    /// How often fetching the key set succeeded and failed.
    pub fn fetches(&self) -> (u64, u64) {
        self.keys.fetches()
    }

    /// Takes a published document as the new key set, and forgets the tokens that it may no longer verify. Where a key is
    /// `wanted`, only a document that has it is taken.
    ///
    /// # Errors
    /// The document is unusable; nothing changes.
    pub fn replace_keys(&self, document: &[u8], wanted: Option<&str>) -> Result<(), KeySetError> {
        if let Some(kid) = wanted
            && !KeySet::parse(document)?.contains(kid)
        {
            return Ok(());
        }
        // The keys first: from then on nothing can be verified by a lost key, and what still is will not be kept.
        if self.keys.replace(document)? == Change::Lost {
            tracing::info!("the key set lost a key: known tokens are verified again");
            self.cache.clear();
        }
        Ok(())
    }

    /// Drops a key and every token that is known, since any of them may be the key's.
    ///
    /// # Errors
    /// There is no room to remember another revoked key.
    fn revoke_key(&self, kid: &str, until: i64) -> Result<(), revocations::Full> {
        // The key first, as in `replace_keys`. The feed repeats itself, and only the first time costs anybody anything.
        if self.keys.revoke(kid, until)? {
            tracing::warn!(kid, "a signing key was revoked: known tokens are verified again");
            self.cache.clear();
        }
        Ok(())
    }

    /// Forgets revocations that no living token is concerned by.
    fn forget_dead(&self, now: i64) {
        self.keys.sweep(now);
        self.revocations.sweep(now);
    }

    /// Who is known by this token at `now`, in Unix seconds. Waits only if its key is unknown.
    ///
    /// # Errors
    /// See [`Unverified`].
    pub async fn verify(&self, token: &str, now: i64) -> Result<(Arc<Verified>, Found), Unverified> {
        let fingerprint = Fingerprint::of(token);
        let (verified, found) = match self.cache.get(&fingerprint) {
            Some(known) => match known.check(&self.verification.audience, now) {
                Ok(()) => (known, Found::Known),
                Err(refusal) => {
                    self.cache.remove(&fingerprint);
                    return Err(refusal.into());
                }
            },
            // Boxed: rare, and else part of the future that every request is.
            None => (Box::pin(self.check(token, fingerprint, now)).await?, Found::Checked),
        };
        // A revoked token stays in the cache: who repeats it costs a look-up and no signature.
        if self.is_revoked(&verified) { Err(Unverified::Revoked) } else { Ok((verified, found)) }
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
            Err(Unverified::Refused(Refusal::UnknownKey { kid })) if self.keys.is_revoked(&kid) => {
                Err(Unverified::Revoked)
            }
            Err(refusal @ (Unverified::NoKeys | Unverified::Refused(Refusal::UnknownKey { .. })))
                if self.keys.refreshed(keys.as_ref(), refusal.missing_key()).await =>
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
        let key = access_token::key_id(token).unwrap_or_default().into_boxed_str();
        let verified = Arc::new(Verified::new(claims, key));
        self.cache.insert(fingerprint, Arc::clone(&verified), began);
        Ok(verified)
    }
}
