//! The first administrator of an empty installation, let in by a token that is printed once at start.
//!
//! The token is a secret of 256 bits that lives an hour. Only its hash is stored, so the database cannot be used to get in.

use std::time::Duration;

use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secret::Secret;

/// How long a printed token works.
pub const LIFETIME: Duration = Duration::from_secs(3600);

/// A token in the form that is printed.
pub struct BootstrapToken(Secret<String>);

/// SHA-256 of a token: what is stored and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootstrapTokenHash(pub [u8; 32]);

/// The system gives no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system has no randomness for a bootstrap token")]
pub struct NoRandomness;

impl BootstrapToken {
    /// A new token.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_unspecified| NoRandomness)?;
        Ok(Self(Secret::new(URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The text for the operator's eyes.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is stored.
    #[must_use]
    pub fn hash(&self) -> BootstrapTokenHash {
        BootstrapTokenHash::of(self.expose())
    }
}

impl BootstrapTokenHash {
    /// The hash of a presented text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Self(hash)
    }
}

/// Why nobody became administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapRefusal {
    /// Not allowed here, or done: there is, or once was, an administrator.
    #[error("there is nothing to bootstrap")]
    Closed,
    /// Not the printed token, or it is too old.
    #[error("the bootstrap token is wrong or has expired; a restart prints a new one")]
    WrongToken,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_are_recognised_by_their_hash() {
        let (one, other) = (BootstrapToken::generate().unwrap(), BootstrapToken::generate().unwrap());
        assert_ne!(one.hash(), other.hash());
        assert_eq!(BootstrapTokenHash::of(one.expose()), one.hash());
        assert_eq!(one.expose().len(), 43);
    }
}
