//! Verifying others' tokens without asking anybody.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use access_token::{Claims, Refusal, Verification};

use crate::builder::{BuildError, base, http};
use crate::error::CallError;
use crate::keys::Keys;
use crate::transport::Transport;

/// Checks tokens with the keys that the auth service publishes. Cheap to clone; all copies share one key set.
#[derive(Debug, Clone)]
pub struct Verifier {
    transport: Arc<Transport>,
    keys: Arc<Keys>,
    verification: Arc<Verification>,
}

/// Why nobody is known by a token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VerifyError {
    /// The token is no good: 401.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There are no keys to tell: 503.
    #[error("there is no key set to verify with")]
    NoKeys(#[from] CallError),
}

impl Verifier {
    /// For a service that has no client of its own: the keys are public.
    ///
    /// # Errors
    /// [`BuildError`]
    pub fn new(base_url: &str, issuer: &str, audience: &str) -> Result<Self, BuildError> {
        Self::at(base(base_url, false)?, issuer, audience)
    }

    /// The same, and allows `http://` to another machine, for networks that encrypt by themselves: whoever is on the way could
    /// hand over keys of their own.
    ///
    /// # Errors
    /// [`BuildError`]
    pub fn over_plaintext(base_url: &str, issuer: &str, audience: &str) -> Result<Self, BuildError> {
        Self::at(base(base_url, true)?, issuer, audience)
    }

    fn at(base: String, issuer: &str, audience: &str) -> Result<Self, BuildError> {
        let http = http(Duration::from_secs(5), Duration::from_secs(2))?;
        let transport = Transport { http, base, credentials: None, retries: 1 };
        Ok(Self::with(Arc::new(transport), issuer, audience))
    }

    pub(crate) fn with(transport: Arc<Transport>, issuer: &str, audience: &str) -> Self {
        let verification = Verification { issuer: issuer.to_owned(), audience: audience.to_owned() };
        Self { transport, keys: Arc::default(), verification: Arc::new(verification) }
    }

    /// What a token says, if it is good. A key that is not known is looked for once per five seconds, whoever brings it.
    ///
    /// A user's token has a `sid`, a client's has none ([`Claims::is_client`]); which of them may do what is the caller's to
    /// decide.
    ///
    /// # Errors
    /// [`VerifyError`]
    pub async fn verify(&self, token: &str) -> Result<Claims, VerifyError> {
        let keys = self.keys.get(&self.transport).await?;
        match self.verification.verify(token, &keys.set, now()) {
            Err(Refusal::UnknownKey { kid }) => match self.keys.after(&keys, &self.transport).await {
                Some(newer) => Ok(self.verification.verify(token, &newer.set, now())?),
                None => Err(Refusal::UnknownKey { kid }.into()),
            },
            verified => Ok(verified?),
        }
    }
}

/// Unix seconds. A clock before 1970 gives 0, at which every token comes from the future.
fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_secs().try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_encrypted_unless_somebody_says_that_the_way_is_private() {
        let url = "http://auth.internal:8081";
        assert!(matches!(Verifier::new(url, "https://shop", "portcullis"), Err(BuildError::Plaintext)));
        assert!(Verifier::over_plaintext(url, "https://shop", "portcullis").is_ok());
    }
}
