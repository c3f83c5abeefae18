//! What stands between the two steps of a login: that the password was right, for whom, and until when.
//!
//! `base64url(version ‖ secret id ‖ nonce ‖ AES-256-GCM(user ‖ factor ‖ epoch ‖ delivery ‖ expiry ‖ password fingerprint))`, under
//! a key of its own label: no refresh token, access token or box of another purpose opens as one, nor the reverse. Nothing is
//! stored of it. It is sealed rather than tagged because nobody but us has to know what it says.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secret::Secret;
use time::OffsetDateTime;
use uuid::Uuid;

use super::refresh_token::{delivery_byte, delivery_of};
use super::root::{RootSecrets, SecretId};
use super::sealing::{NotSealed, Sealed, SealingKeys};
use crate::accounts::UserId;
use crate::second_factor::FactorId;
use crate::sessions::Delivery;

/// How long somebody may take for the second step.
pub const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The first byte of every challenge. No refresh token begins with it.
const VERSION: u8 = 0x81;
/// The HKDF label of the key that challenges are sealed with.
const LABEL: &[u8] = b"portcullis/login-challenge/v1";

const FACTOR: usize = 16;
const EPOCH: usize = FACTOR + 16;
const DELIVERY: usize = EPOCH + 4;
const EXPIRY: usize = DELIVERY + 1;
const PASSWORD: usize = EXPIRY + 8;
const CONTENT_BYTES: usize = PASSWORD + 32;
/// Version, secret id, nonce, content, tag.
const CHALLENGE_BYTES: usize = 1 + SecretId::BYTES + 12 + CONTENT_BYTES + 16;
const CHALLENGE_CHARS: usize = (CHALLENGE_BYTES * 4).div_ceil(3);

/// SHA-256 of the stored hash of a password: which one was verified, without saying it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordFingerprint([u8; 32]);

impl PasswordFingerprint {
    /// That of a stored hash.
    #[must_use]
    pub fn of(stored_hash: &Secret<String>) -> Self {
        let mut fingerprint = [0; 32];
        let digest = digest::digest(&digest::SHA256, stored_hash.expose().as_bytes());
        fingerprint.copy_from_slice(digest.as_ref());
        Self(fingerprint)
    }
}

/// What a challenge says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginChallenge {
    /// Who logs in.
    pub user: UserId,
    /// Which factor is asked for.
    pub factor: FactorId,
    /// The account's epoch, as loaded together with the hash.
    pub epoch: i32,
    /// The password that was verified.
    pub password: PasswordFingerprint,
    /// How the client will hold its refresh token.
    pub delivery: Delivery,
    /// Until when the second step may be taken, by the database's clock.
    pub expires_at: OffsetDateTime,
}

/// Not a challenge of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the challenge is not valid")]
pub struct NotAChallenge;

/// The keys that challenges are sealed with: the first one seals, all of them open.
pub struct ChallengeKeys(SealingKeys);

impl ChallengeKeys {
    /// Derives the keys.
    #[must_use]
    pub fn new(secrets: &RootSecrets) -> Self {
        Self(SealingKeys::new(secrets, LABEL))
    }

    /// Writes a challenge.
    ///
    /// # Errors
    /// [`NotSealed`] without randomness.
    pub fn seal(&self, challenge: &LoginChallenge) -> Result<Secret<String>, NotSealed> {
        let sealed = self.0.seal(&Secret::new(content(challenge)), &[VERSION])?;
        let bytes = [&[VERSION], sealed.secret_id.as_bytes(), sealed.bytes.as_slice()].concat();
        Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Reads a challenge. Whether it still stands is not known here.
    ///
    /// # Errors
    /// [`NotAChallenge`] for anything that was not sealed under one of the secrets, for this purpose.
    pub fn open(&self, text: &str) -> Result<LoginChallenge, NotAChallenge> {
        self.content(text).and_then(|content| parse(&content)).ok_or(NotAChallenge)
    }

    fn content(&self, text: &str) -> Option<Vec<u8>> {
        if text.len() != CHALLENGE_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (id, sealed) = rest.split_at_checked(SecretId::BYTES)?;
        let sealed = Sealed { secret_id: SecretId::from_slice(id)?, bytes: sealed.to_vec() };
        let opened = self.0.open(&sealed, &[VERSION]).ok()?;
        (*version == VERSION).then(|| opened.expose().clone())
    }
}

impl fmt::Debug for ChallengeKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[challenge keys]")
    }
}

fn content(challenge: &LoginChallenge) -> Vec<u8> {
    [
        challenge.user.0.as_bytes().as_slice(),
        challenge.factor.0.as_bytes(),
        &challenge.epoch.to_be_bytes(),
        &[delivery_byte(challenge.delivery)],
        &challenge.expires_at.unix_timestamp().to_be_bytes(),
        &challenge.password.0,
    ]
    .concat()
}

fn parse(content: &[u8]) -> Option<LoginChallenge> {
    let content: &[u8; CONTENT_BYTES] = content.try_into().ok()?;
    let expiry = i64::from_be_bytes(content[EXPIRY..PASSWORD].try_into().ok()?);
    Some(LoginChallenge {
        user: UserId(Uuid::from_slice(&content[..FACTOR]).ok()?),
        factor: FactorId(Uuid::from_slice(&content[FACTOR..EPOCH]).ok()?),
        epoch: i32::from_be_bytes(content[EPOCH..DELIVERY].try_into().ok()?),
        delivery: delivery_of(content[DELIVERY])?,
        expires_at: OffsetDateTime::from_unix_timestamp(expiry).ok()?,
        password: PasswordFingerprint(content[PASSWORD..].try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sessions::SessionId;
    use crate::tokens::{Nonce, RefreshKeys, RefreshToken};

    fn secrets(current: u8, previous: &[u8]) -> RootSecrets {
        let secret = |byte| Secret::new(vec![byte; 32]);
        RootSecrets::new(&secret(current), &previous.iter().copied().map(secret).collect::<Vec<_>>())
    }

    fn keys(current: u8, previous: &[u8]) -> ChallengeKeys {
        ChallengeKeys::new(&secrets(current, previous))
    }

    fn challenge() -> LoginChallenge {
        LoginChallenge {
            user: UserId::generate(),
            factor: FactorId::generate(),
            epoch: 3,
            password: PasswordFingerprint::of(&Secret::new("$2b$12$hash".to_owned())),
            delivery: Delivery::Body,
            expires_at: time::macros::datetime!(2026-11-24 12:05 UTC),
        }
    }

    #[test]
    fn a_challenge_is_read_back_under_the_secret_that_it_names() {
        let challenge = challenge();
        let sealed = |keys: &ChallengeKeys| keys.seal(&challenge).unwrap();
        let text = sealed(&keys(1, &[]));
        assert_eq!(text.expose().len(), CHALLENGE_CHARS);
        assert_eq!(keys(2, &[1]).open(text.expose()), Ok(challenge));
        assert_eq!(keys(2, &[]).open(text.expose()), Err(NotAChallenge));
        assert_ne!(text, sealed(&keys(1, &[])), "never sealed alike");
    }

    #[test]
    fn a_challenge_is_no_refresh_token_and_the_reverse() {
        let (challenges, refresh) = (keys(1, &[]), RefreshKeys::new(&secrets(1, &[])));
        let sealed = challenges.seal(&challenge()).unwrap();
        assert!(refresh.open(sealed.expose()).is_err());
        let token = RefreshToken::first(SessionId::generate(), Delivery::Cookie, Nonce::generate());
        assert_eq!(challenges.open(refresh.issue(&token).expose()), Err(NotAChallenge));
    }

    proptest! {
        #[test]
        fn no_changed_character_passes(at in 0..CHALLENGE_CHARS, with in "[A-Za-z0-9_-]") {
            let sealed = keys(1, &[]).seal(&challenge()).unwrap();
            let mut changed = sealed.expose().clone();
            changed.replace_range(at..=at, &with);
            if changed != *sealed.expose() {
                prop_assert_eq!(keys(1, &[]).open(&changed), Err(NotAChallenge));
            }
        }

        #[test]
        fn garbage_is_refused_quietly(text in "\\PC{0,200}") {
            prop_assert_eq!(keys(1, &[]).open(&text), Err(NotAChallenge));
        }
    }
}
