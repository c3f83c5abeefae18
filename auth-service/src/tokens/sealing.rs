//! Boxes: AES-256-GCM under a key that is derived from `JWT_SECRET` for one purpose.
//!
//! A box names the secret whose derived key closes it, has a random nonce in front, and opens only beside the associated
//! data that it was closed with. What lies in a box, and what is written on it, is its user's affair.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use secret::Secret;

use super::root::{RootSecret, RootSecrets, SecretId};

/// A closed box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The name of the secret that closes it.
    pub secret_id: SecretId,
    /// A random nonce, then the closed content and its tag.
    pub bytes: Vec<u8>,
}

/// Why a box does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// It was closed under a secret that this process does not have.
    #[error("it was sealed under another JWT_SECRET")]
    UnknownSecret,
    /// It names a secret of ours and does not open: somebody changed it.
    #[error("it does not open under the JWT_SECRET it names; the row was changed")]
    Tampered,
}

/// The library failed to close a box: there is no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a box could not be closed")]
pub struct NotSealed;

/// The keys of one purpose: the first one closes, all of them open.
pub struct SealingKeys {
    current: Key,
    previous: Vec<Key>,
}

struct Key {
    id: SecretId,
    aead: LessSafeKey,
}

impl SealingKeys {
    /// Derives the keys of the purpose that `label` names.
    #[must_use]
    pub fn new(secrets: &RootSecrets, label: &[u8]) -> Self {
        let derive = |secret: &RootSecret| Key::derive(secret, label);
        Self { current: derive(secrets.current()), previous: secrets.previous().iter().map(derive).collect() }
    }

    /// Closes a box under the current secret.
    ///
    /// # Errors
    /// [`NotSealed`]
    pub fn seal(&self, content: &Secret<Vec<u8>>, associated: &[u8]) -> Result<Sealed, NotSealed> {
        self.current.close(content, associated)
    }

    /// Closes a box under the secret of this name; `None`: it is none of ours.
    ///
    /// # Errors
    /// [`NotSealed`]
    pub fn seal_under(
        &self,
        id: SecretId,
        content: &Secret<Vec<u8>>,
        associated: &[u8],
    ) -> Result<Option<Sealed>, NotSealed> {
        self.named(id).map(|key| key.close(content, associated)).transpose()
    }

    /// Opens a box.
    ///
    /// # Errors
    /// [`Unopened`]
    pub fn open(&self, sealed: &Sealed, associated: &[u8]) -> Result<Secret<Vec<u8>>, Unopened> {
        let key = self.named(sealed.secret_id).ok_or(Unopened::UnknownSecret)?;
        key.open(&sealed.bytes, associated).ok_or(Unopened::Tampered)
    }

    /// Whether a box is under the current secret.
    #[must_use]
    pub fn is_current(&self, id: SecretId) -> bool {
        id == self.current.id
    }

    fn named(&self, id: SecretId) -> Option<&Key> {
        std::iter::once(&self.current).chain(&self.previous).find(|key| key.id == id)
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[sealing keys]")
    }
}

impl Key {
    #[expect(clippy::expect_used, reason = "any 32 bytes are an AES-256 key")]
    fn derive(secret: &RootSecret, label: &[u8]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, &secret.derive(label)).expect("32 bytes");
        Self { id: secret.id(), aead: LessSafeKey::new(key) }
    }

    fn close(&self, content: &Secret<Vec<u8>>, associated: &[u8]) -> Result<Sealed, NotSealed> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| NotSealed)?;
        let mut closed = content.expose().clone();
        self.aead
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), &mut closed)
            .map_err(|_| NotSealed)?;
        Ok(Sealed { secret_id: self.id, bytes: [nonce.as_slice(), closed.as_slice()].concat() })
    }

    fn open(&self, sealed: &[u8], associated: &[u8]) -> Option<Secret<Vec<u8>>> {
        let (nonce, closed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = closed.to_vec();
        let length = self.aead.open_in_place(nonce, Aad::from(associated), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(Secret::new(opened))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(current: u8, previous: &[u8], label: &[u8]) -> SealingKeys {
        let secret = |byte| Secret::new(vec![byte; 32]);
        let previous: Vec<_> = previous.iter().copied().map(secret).collect();
        SealingKeys::new(&RootSecrets::new(&secret(current), &previous), label)
    }

    fn content() -> Secret<Vec<u8>> {
        Secret::new(b"content".to_vec())
    }

    #[test]
    fn a_box_opens_beside_its_own_data_for_its_own_purpose_only() {
        let sealed = keys(1, &[], b"a").seal(&content(), b"beside").unwrap();
        assert_eq!(keys(1, &[], b"a").open(&sealed, b"beside"), Ok(content()));
        assert_eq!(keys(1, &[], b"a").open(&sealed, b"besides"), Err(Unopened::Tampered));
        assert_eq!(keys(1, &[], b"b").open(&sealed, b"beside"), Err(Unopened::Tampered));
        let shorter = Sealed { bytes: sealed.bytes[..5].to_vec(), ..sealed };
        assert_eq!(keys(1, &[], b"a").open(&shorter, b"beside"), Err(Unopened::Tampered));
    }

    #[test]
    fn a_box_moves_from_secret_to_secret() {
        let old = keys(1, &[], b"a").seal(&content(), b"").unwrap();
        let both = keys(2, &[3, 1], b"a");
        assert_eq!(both.open(&old, b""), Ok(content()));
        assert!(!both.is_current(old.secret_id));
        let new = both.seal(&content(), b"").unwrap();
        assert!(both.is_current(new.secret_id));
        assert_eq!(keys(1, &[], b"a").open(&new, b""), Err(Unopened::UnknownSecret));
        let again = both.seal_under(old.secret_id, &content(), b"").unwrap().unwrap();
        assert_eq!(keys(1, &[], b"a").open(&again, b""), Ok(content()));
        assert_eq!(keys(1, &[], b"a").seal_under(new.secret_id, &content(), b""), Ok(None));
    }
}
