//! Signing keys as they lie in the database: each private key one AES-256-GCM box.
//!
//! The key's label — name, algorithm and times — is sealed with it as associated data, so that nothing of it can be changed in
//! the table. The box names the secret whose derived key closes it.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use secret::Secret;
use time::OffsetDateTime;

use super::root::{RootSecret, RootSecrets, SecretId};
use super::rotation::{KeyLabel, KeyTimes, LONGEST_TOKEN};
use super::signing_key::{Algorithm, SigningKey, UnusableKey};

/// The HKDF label of the key that boxes are closed with.
const LABEL: &[u8] = b"portcullis/signing-keys/v1";

/// A signing key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// What is written on the box.
    pub label: KeyLabel,
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

/// Why a box could not be closed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotResealed {
    /// It does not open.
    #[error(transparent)]
    Unopened(#[from] Unopened),
    /// The library failed.
    #[error(transparent)]
    Unusable(#[from] UnusableKey),
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
    pub fn make(&self, algorithm: Algorithm, times: KeyTimes) -> Result<SealedKey, UnusableKey> {
        self.seal(algorithm, &SigningKey::generate(algorithm)?, times)
    }

    /// Closes a box around a private key (PKCS#8).
    ///
    /// # Errors
    /// [`UnusableKey`] if it is none of that algorithm, or the library fails.
    pub fn seal(
        &self,
        algorithm: Algorithm,
        pkcs8: &Secret<Vec<u8>>,
        times: KeyTimes,
    ) -> Result<SealedKey, UnusableKey> {
        let key = SigningKey::from_pkcs8(algorithm, pkcs8, as_stored(times))?;
        self.current.close(key.label().clone(), pkcs8)
    }

    /// Opens a box and prepares its key.
    ///
    /// # Errors
    /// [`Unopened`]; such a key is neither used nor published.
    pub fn open(&self, sealed: &SealedKey) -> Result<SigningKey, Unopened> {
        let pkcs8 = self.named(sealed.secret_id)?.open(sealed).ok_or(Unopened::Tampered)?;
        SigningKey::from_pkcs8(sealed.label.algorithm, &pkcs8, sealed.label.times)
            .ok()
            .filter(|key| key.kid() == sealed.label.kid)
            .ok_or(Unopened::Tampered)
    }

    /// The same key with other times, under the secret that it is under: replicas that can open it go on doing so.
    ///
    /// # Errors
    /// [`NotResealed`] if it does not open or the library fails.
    pub fn with_times(&self, sealed: &SealedKey, times: KeyTimes) -> Result<SealedKey, NotResealed> {
        let key = self.named(sealed.secret_id)?;
        let pkcs8 = key.open(sealed).ok_or(Unopened::Tampered)?;
        Ok(key.close(KeyLabel { times: as_stored(times), ..sealed.label.clone() }, &pkcs8)?)
    }

    /// The same key under the current secret.
    ///
    /// # Errors
    /// [`NotResealed`] if it does not open or the library fails.
    pub fn under_current(&self, sealed: &SealedKey) -> Result<SealedKey, NotResealed> {
        let pkcs8 = self.named(sealed.secret_id)?.open(sealed).ok_or(Unopened::Tampered)?;
        Ok(self.current.close(sealed.label.clone(), &pkcs8)?)
    }

    /// Whether a box is under the current secret.
    #[must_use]
    pub fn is_current(&self, sealed: &SealedKey) -> bool {
        sealed.secret_id == self.current.id
    }

    fn named(&self, id: SecretId) -> Result<&BoxKey, Unopened> {
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        keys.find(|key| key.id == id).ok_or(Unopened::UnknownSecret)
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

    fn close(&self, label: KeyLabel, pkcs8: &Secret<Vec<u8>>) -> Result<SealedKey, UnusableKey> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| UnusableKey)?;
        let mut closed = pkcs8.expose().clone();
        self.aead
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated_data(&label)),
                &mut closed,
            )
            .map_err(|_| UnusableKey)?;
        let sealed = [nonce.as_slice(), closed.as_slice()].concat();
        Ok(SealedKey { label, secret_id: self.id, sealed })
    }

    fn open(&self, key: &SealedKey) -> Option<Secret<Vec<u8>>> {
        let (nonce, closed) = key.sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = closed.to_vec();
        let length =
            self.aead.open_in_place(nonce, Aad::from(associated_data(&key.label)), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(Secret::new(opened))
    }
}

/// What is sealed with the private key. Names and algorithms contain no NUL, so the parts cannot be shifted.
fn associated_data(label: &KeyLabel) -> Vec<u8> {
    let mut data = format!("{}\0{}\0", label.kid, label.algorithm.as_str()).into_bytes();
    for time in [label.times.created_at, label.times.signs_from] {
        data.extend(time.unix_timestamp_nanos().div_euclid(1000).to_be_bytes());
    }
    // Boxes from before lifetimes were written on them count as the longest one, so that one is left out.
    if label.times.token_lifetime != LONGEST_TOKEN {
        data.extend(label.times.token_lifetime.as_secs().to_be_bytes());
    }
    data
}

/// The times as the database gives them back, since they are part of what is sealed: microseconds, and whole seconds of a
/// lifetime (rounded up).
fn as_stored(times: KeyTimes) -> KeyTimes {
    KeyTimes {
        created_at: microseconds(times.created_at),
        signs_from: microseconds(times.signs_from),
        token_lifetime: Duration::from_secs(whole_seconds(times.token_lifetime)),
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
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

    const TIMES: KeyTimes = KeyTimes {
        created_at: NOON,
        signs_from: time::macros::datetime!(2026-11-24 13:00 UTC),
        token_lifetime: Duration::from_secs(900),
    };

    fn sealed() -> SealedKey {
        boxes(1, &[]).make(Algorithm::Es256, TIMES).unwrap()
    }

    #[test]
    fn a_box_opens_under_the_secret_it_names_current_or_previous() {
        for boxes in [boxes(1, &[]), boxes(2, &[3, 1])] {
            let key = boxes.open(&sealed()).unwrap();
            assert_eq!(key.label().times, TIMES);
        }
        assert_eq!(boxes(2, &[3]).open(&sealed()).unwrap_err(), Unopened::UnknownSecret);
    }

    #[test]
    fn nothing_in_a_row_can_be_changed() {
        let other = sealed();
        let changes: [fn(&mut SealedKey, &SealedKey); 9] = [
            |key, other| key.label.kid.clone_from(&other.label.kid),
            |key, _| key.label.algorithm = Algorithm::EdDsa,
            |key, _| key.label.times.created_at -= time::Duration::MICROSECOND,
            |key, _| key.label.times.signs_from -= time::Duration::HOUR,
            |key, _| key.label.times.token_lifetime += Duration::from_secs(1),
            |key, _| key.label.times.token_lifetime = LONGEST_TOKEN,
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
        let seal = || boxes(1, &[]).seal(Algorithm::EdDsa, &pkcs8, TIMES).unwrap();
        assert_ne!(seal().sealed, seal().sealed);
        assert_eq!(seal().label, seal().label);
    }

    #[test]
    fn times_finer_than_the_database_keeps_do_not_break_the_box() {
        let fine = NOON + time::Duration::nanoseconds(1_999);
        let token_lifetime = Duration::from_millis(1_500);
        let times = KeyTimes { created_at: fine, signs_from: fine, token_lifetime };
        let sealed = boxes(1, &[]).make(Algorithm::EdDsa, times).unwrap();
        assert_eq!(sealed.label.times.created_at, NOON + time::Duration::MICROSECOND);
        assert_eq!(sealed.label.times.token_lifetime, Duration::from_secs(2));
        assert!(boxes(1, &[]).open(&sealed).is_ok());
    }

    #[test]
    fn other_times_leave_the_key_under_its_secret() {
        let later = KeyTimes { token_lifetime: Duration::from_secs(3600), ..TIMES };
        let changed = boxes(2, &[1]).with_times(&sealed(), later).unwrap();
        assert_eq!(boxes(1, &[]).open(&changed).unwrap().label().times, later);
        assert_eq!(boxes(3, &[]).with_times(&sealed(), later), Err(Unopened::UnknownSecret.into()));
    }

    #[test]
    fn a_key_moves_to_the_current_secret_and_stays_what_it_was() {
        let old = sealed();
        let moved = boxes(2, &[1]).under_current(&old).unwrap();
        assert_eq!(moved.label, old.label);
        assert!(boxes(2, &[]).is_current(&moved) && !boxes(2, &[]).is_current(&old));
        assert_eq!(boxes(2, &[]).open(&moved).unwrap().jwk(), boxes(1, &[]).open(&old).unwrap().jwk());
        assert_eq!(boxes(1, &[]).open(&moved).unwrap_err(), Unopened::UnknownSecret);
    }

    #[test]
    fn a_box_from_before_lifetimes_were_sealed_opens_with_the_longest() {
        // Sealed by the first version: the associated data ended with `signs_from`.
        let mut label = sealed().label;
        label.times.token_lifetime = LONGEST_TOKEN;
        let mut before = format!("{}\0ES256\0", label.kid).into_bytes();
        for time in [TIMES.created_at, TIMES.signs_from] {
            before.extend((time.unix_timestamp_nanos() / 1000).to_be_bytes());
        }
        assert_eq!(associated_data(&label), before);
    }
}
