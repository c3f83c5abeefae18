//! Signing keys as they lie in the database: each private key one AES-256-GCM box.
//!
//! The key's name, algorithm and times are sealed with it as associated data, so that none can be changed in the table. The
//! box names the secret whose derived key closes it.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use secret::Secret;
use time::OffsetDateTime;

use super::root::{RootSecret, RootSecrets, SecretId};
use super::signing_key::{Algorithm, SigningKey, UnusableKey};

/// The HKDF label of the key that boxes are closed with.
const LABEL: &[u8] = b"portcullis/signing-keys/v1";

/// A signing key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// The key's name.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when it signs.
    pub signs_from: OffsetDateTime,
    /// The name of the secret that closes the box.
    pub secret_id: SecretId,
    /// A random nonce, then the closed private key and its tag.
    pub sealed: Vec<u8>,
}

/// Why a box gives no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// It was closed under a secret that this process does not have.
    #[error("it was sealed under another JWT_SECRET")]
    UnknownSecret,
    /// It names a secret of ours and does not open: somebody changed it.
    #[error("it does not open under the JWT_SECRET it names; the row was changed")]
    Tampered,
}

/// The keys that close and open boxes: the first one closes, all of them open.
pub struct BoxKeys {
    current: BoxKey,
    previous: Vec<BoxKey>,
}

struct BoxKey {
    id: SecretId,
    aead: LessSafeKey,
}

impl BoxKeys {
    /// Derives the keys.
    #[must_use]
    pub fn new(secrets: &RootSecrets) -> Self {
        Self {
            current: BoxKey::derive(secrets.current()),
            previous: secrets.previous().iter().map(BoxKey::derive).collect(),
        }
    }

    /// Makes a new signing key and closes its box.
    ///
    /// # Errors
    /// [`UnusableKey`] if the library fails to make or to close it.
    pub fn make(
        &self,
        algorithm: Algorithm,
        created_at: OffsetDateTime,
        signs_from: OffsetDateTime,
    ) -> Result<SealedKey, UnusableKey> {
        self.seal(algorithm, &SigningKey::generate(algorithm)?, created_at, signs_from)
    }

    /// Closes a box around a private key (PKCS#8).
    ///
    /// # Errors
    /// [`UnusableKey`] if it is none of that algorithm, or the library fails.
    pub fn seal(
        &self,
        algorithm: Algorithm,
        pkcs8: &Secret<Vec<u8>>,
        created_at: OffsetDateTime,
        signs_from: OffsetDateTime,
    ) -> Result<SealedKey, UnusableKey> {
        // PostgreSQL keeps microseconds, and the times are part of what is sealed.
        let (created_at, signs_from) = (microseconds(created_at), microseconds(signs_from));
        let key = SigningKey::from_pkcs8(algorithm, pkcs8, signs_from)?;
        let mut sealed = SealedKey {
            kid: key.kid().to_owned(),
            algorithm,
            created_at,
            signs_from,
            secret_id: self.current.id,
            sealed: Vec::new(),
        };
        sealed.sealed = self.current.close(&sealed, pkcs8)?;
        Ok(sealed)
    }

    /// Opens a box and prepares its key.
    ///
    /// # Errors
    /// [`Unopened`]; such a key is neither used nor published.
    pub fn open(&self, sealed: &SealedKey) -> Result<SigningKey, Unopened> {
        let named = |key: &&BoxKey| key.id == sealed.secret_id;
        let key = std::iter::once(&self.current)
            .chain(&self.previous)
            .find(named)
            .ok_or(Unopened::UnknownSecret)?;
        let pkcs8 = key.open(sealed).ok_or(Unopened::Tampered)?;
        SigningKey::from_pkcs8(sealed.algorithm, &pkcs8, sealed.signs_from)
            .ok()
            .filter(|key| key.kid() == sealed.kid)
            .ok_or(Unopened::Tampered)
    }
}

impl fmt::Debug for BoxKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[box keys]")
    }
}

impl BoxKey {
    #[expect(clippy::expect_used, reason = "any 32 bytes are an AES-256 key")]
    fn derive(secret: &RootSecret) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, &secret.derive(LABEL)).expect("32 bytes");
        Self { id: secret.id(), aead: LessSafeKey::new(key) }
    }

    fn close(&self, key: &SealedKey, pkcs8: &Secret<Vec<u8>>) -> Result<Vec<u8>, UnusableKey> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| UnusableKey)?;
        let mut closed = pkcs8.expose().clone();
        self.aead
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated_data(key)),
                &mut closed,
            )
            .map_err(|_| UnusableKey)?;
        Ok([nonce.as_slice(), closed.as_slice()].concat())
    }

    fn open(&self, key: &SealedKey) -> Option<Secret<Vec<u8>>> {
        let (nonce, closed) = key.sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = closed.to_vec();
        let length = self.aead.open_in_place(nonce, Aad::from(associated_data(key)), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(Secret::new(opened))
    }
}

/// What is sealed with the private key. Names and algorithms contain no NUL, so the parts cannot be shifted.
fn associated_data(key: &SealedKey) -> Vec<u8> {
    let mut data = format!("{}\0{}\0", key.kid, key.algorithm.as_str()).into_bytes();
    for time in [key.created_at, key.signs_from] {
        data.extend(time.unix_timestamp_nanos().div_euclid(1000).to_be_bytes());
    }
    data
}

fn microseconds(time: OffsetDateTime) -> OffsetDateTime {
    time.replace_microsecond(time.microsecond()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: OffsetDateTime = time::macros::datetime!(2026-11-24 12:00 UTC);

    fn boxes(current: u8, previous: &[u8]) -> BoxKeys {
        let secret = |byte| Secret::new(vec![byte; 32]);
        let previous: Vec<_> = previous.iter().copied().map(secret).collect();
        BoxKeys::new(&RootSecrets::new(&secret(current), &previous))
    }

    fn sealed() -> SealedKey {
        boxes(1, &[]).make(Algorithm::Es256, NOON, NOON + time::Duration::HOUR).unwrap()
    }

    #[test]
    fn a_box_opens_under_the_secret_it_names_current_or_previous() {
        for boxes in [boxes(1, &[]), boxes(2, &[3, 1])] {
            let key = boxes.open(&sealed()).unwrap();
            assert_eq!(key.signs_from(), NOON + time::Duration::HOUR);
        }
        assert_eq!(boxes(2, &[3]).open(&sealed()).unwrap_err(), Unopened::UnknownSecret);
    }

    #[test]
    fn nothing_in_a_row_can_be_changed() {
        let other = sealed();
        let changes: [fn(&mut SealedKey, &SealedKey); 7] = [
            |key, other| key.kid.clone_from(&other.kid),
            |key, _| key.algorithm = Algorithm::EdDsa,
            |key, _| key.created_at -= time::Duration::MICROSECOND,
            |key, _| key.signs_from -= time::Duration::HOUR,
            |key, other| key.sealed.clone_from(&other.sealed),
            |key, _| key.sealed[20] ^= 1,
            |key, _| key.sealed.truncate(8),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = sealed();
            change(&mut changed, &other);
            assert_eq!(boxes(1, &[]).open(&changed).unwrap_err(), Unopened::Tampered, "change {number}");
        }
    }

    #[test]
    fn the_same_key_is_never_boxed_alike() {
        let pkcs8 = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let seal = || boxes(1, &[]).seal(Algorithm::EdDsa, &pkcs8, NOON, NOON).unwrap();
        assert_ne!(seal().sealed, seal().sealed);
        assert_eq!(seal().kid, seal().kid);
    }

    #[test]
    fn times_finer_than_the_database_keeps_do_not_break_the_box() {
        let fine = NOON + time::Duration::nanoseconds(1_999);
        let sealed = boxes(1, &[]).make(Algorithm::EdDsa, fine, fine).unwrap();
        assert_eq!(sealed.created_at, NOON + time::Duration::MICROSECOND);
        assert!(boxes(1, &[]).open(&sealed).is_ok());
    }
}
