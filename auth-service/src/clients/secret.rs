//! A client's secret: drawn here, shown once, and known to the database only by its hash.
//!
//! SHA-256 without salt or work factor is enough: the secret is 32 random bytes, which nobody finds by trying, and one hash
//! of it looks up nothing else. A password would need bcrypt; a program needs no password.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secret::Secret;

/// A client's secret.
#[derive(Debug, Clone)]
pub struct ClientSecret(Secret<String>);

impl ClientSecret {
    /// What every secret begins with, so that scanners of code and logs recognise one that was lost there.
    pub const PREFIX: &'static str = "portcullis_cs_";
    const RANDOM_BYTES: usize = 32;

    /// Draws a new one.
    ///
    /// # Panics
    /// If the operating system has no randomness; nothing could be issued safely then.
    #[must_use]
    #[expect(clippy::expect_used, reason = "without randomness nothing may be issued")]
    pub fn generate() -> Self {
        let mut bytes = [0; Self::RANDOM_BYTES];
        rand::fill(&mut bytes).expect("the system's random number generator works");
        let mut text = Self::PREFIX.to_owned();
        URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        Self(Secret::new(text))
    }

    /// What somebody sent as their secret.
    #[must_use]
    pub const fn presented(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// The text, to be shown once to whoever made it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What the database keeps of it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, self.expose().as_bytes()).as_ref());
        SecretHash(hash)
    }
}

/// SHA-256 of a secret. However it is compared, the time does not tell where two differ.
#[derive(Clone, Copy)]
pub struct SecretHash(pub [u8; 32]);

impl SecretHash {
    /// Whether both are of the same secret, in a time that does not tell where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other)
    }
}

impl Eq for SecretHash {}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[hash of a client secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_is_new_recognisable_and_free_of_what_forms_encode() {
        let (one, other) = (ClientSecret::generate(), ClientSecret::generate());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), ClientSecret::PREFIX.len() + 43);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        assert!(one.expose().starts_with(ClientSecret::PREFIX) && one.expose().bytes().all(plain));
        assert!(!one.hash().matches(&other.hash()));
        assert!(one.hash().matches(&ClientSecret::presented(one.expose().to_owned()).hash()));
    }

    #[test]
    fn no_formatter_shows_one() {
        let secret = ClientSecret::generate();
        let shown = format!("{secret:?} {:?}", secret.hash());
        assert!(!shown.contains(&secret.expose()[ClientSecret::PREFIX.len()..]), "{shown}");
        assert_eq!(shown, "ClientSecret([secret]) [hash of a client secret]");
    }
}
