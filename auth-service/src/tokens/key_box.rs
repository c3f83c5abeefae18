//! Signing keys as they lie in the database: each private key one AES-256-GCM box.
//!
//! The key's label — name, algorithm and times — is sealed with it as associated data, so that nothing of it can be changed in
//! the table. The box names the secret whose derived key closes it.

use std::time::Duration;

use secret::Secret;
use time::OffsetDateTime;

use super::root::{RootSecrets, SecretId};
use super::rotation::{KeyLabel, KeyTimes, LONGEST_TOKEN};
use super::sealing::{Sealed, SealingKeys, Unopened};
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
#[derive(Debug)]
pub struct BoxKeys(SealingKeys);

impl BoxKeys {
    /// Derives the keys.
    #[must_use]
    pub fn new(secrets: &RootSecrets) -> Self {
        Self(SealingKeys::new(secrets, LABEL))
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
        self.close(key.label().clone(), pkcs8)
    }

    /// Opens a box and prepares its key.
    ///
    /// # Errors
    /// [`Unopened`]; such a key is neither used nor published.
    pub fn open(&self, sealed: &SealedKey) -> Result<SigningKey, Unopened> {
        let pkcs8 = self.pkcs8(sealed)?;
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
        let pkcs8 = self.pkcs8(sealed)?;
        let label = KeyLabel { times: as_stored(times), ..sealed.label.clone() };
        let closed = self.0.seal_under(sealed.secret_id, &pkcs8, &associated_data(&label));
        let closed = closed.map_err(|_| UnusableKey)?.ok_or(Unopened::UnknownSecret)?;
        Ok(SealedKey::new(label, closed))
    }

    /// The same key under the current secret.
    ///
    /// # Errors
    /// [`NotResealed`] if it does not open or the library fails.
    pub fn under_current(&self, sealed: &SealedKey) -> Result<SealedKey, NotResealed> {
        let pkcs8 = self.pkcs8(sealed)?;
        Ok(self.close(sealed.label.clone(), &pkcs8)?)
    }

    /// Whether a box is under the current secret.
    #[must_use]
    pub fn is_current(&self, sealed: &SealedKey) -> bool {
        self.0.is_current(sealed.secret_id)
    }

    fn close(&self, label: KeyLabel, pkcs8: &Secret<Vec<u8>>) -> Result<SealedKey, UnusableKey> {
        let closed = self.0.seal(pkcs8, &associated_data(&label)).map_err(|_| UnusableKey)?;
        Ok(SealedKey::new(label, closed))
    }

    fn pkcs8(&self, key: &SealedKey) -> Result<Secret<Vec<u8>>, Unopened> {
        let sealed = Sealed { secret_id: key.secret_id, bytes: key.sealed.clone() };
        self.0.open(&sealed, &associated_data(&key.label))
    }
}

impl SealedKey {
    fn new(label: KeyLabel, Sealed { secret_id, bytes }: Sealed) -> Self {
        Self { label, secret_id, sealed: bytes }
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
