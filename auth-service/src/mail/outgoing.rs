//! Mail that is about to be put into the outbox by the statement that causes it.

use std::time::Duration;

use secret::Secret;
use uuid::Uuid;

use super::kind::Kind;
use super::token::{MailToken, MailTokenHash, NoRandomness, Purpose};
use crate::tokens::RootSecrets;
use crate::tokens::sealing::{NotSealed, Sealed, SealingKeys, Unopened};

/// The HKDF label of the key that tokens are sealed under while they wait.
const LABEL: &[u8] = b"portcullis/mail/v1";

/// How long it is worth telling somebody what happened to their account.
const NOTICE_LIFETIME: Duration = Duration::from_secs(3 * 24 * 3600);

/// How long tokens are good (`MAIL_VERIFY_TTL`, `MAIL_RESET_TTL`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// To verify an address.
    pub verify: Duration,
    /// To choose another password.
    pub reset: Duration,
}

impl Lifetimes {
    /// That of a purpose.
    #[must_use]
    pub const fn of(&self, purpose: Purpose) -> Duration {
        match purpose {
            Purpose::VerifyEmail => self.verify,
            Purpose::ResetPassword => self.reset,
        }
    }
}

/// A mail that carries a token.
#[derive(Debug)]
pub struct TokenLetter {
    /// The mail's id.
    pub id: Uuid,
    /// What the token is good for.
    pub purpose: Purpose,
    /// What is stored of it.
    pub hash: MailTokenHash,
    /// How long it is good.
    pub lifetime: Duration,
    /// The token itself, for whoever sends the mail.
    pub sealed: Sealed,
}

/// A mail that only tells something.
#[derive(Debug, Clone, Copy)]
pub struct Notice {
    /// The mail's id.
    pub id: Uuid,
    /// What it tells.
    pub kind: Kind,
    /// How long it is worth sending.
    pub lifetime: Duration,
}

/// Why a mail cannot be prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPrepared {
    /// No token.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// No box for it.
    #[error(transparent)]
    NotSealed(#[from] NotSealed),
}

/// Prepares mail: makes tokens, seals and opens them.
#[derive(Debug)]
pub struct Outgoing {
    keys: SealingKeys,
    lifetimes: Lifetimes,
}

impl Outgoing {
    /// Derives the key.
    #[must_use]
    pub fn new(secrets: &RootSecrets, lifetimes: Lifetimes) -> Self {
        Self { keys: SealingKeys::new(secrets, LABEL), lifetimes }
    }

    /// A mail with a new token.
    ///
    /// # Errors
    /// [`NotPrepared`]
    pub fn letter(&self, purpose: Purpose) -> Result<TokenLetter, NotPrepared> {
        let (id, token) = (Uuid::now_v7(), MailToken::generate()?);
        let content = Secret::new(token.expose().as_bytes().to_vec());
        let sealed = self.keys.seal(&content, &associated_data(id, purpose.into()))?;
        Ok(TokenLetter { id, purpose, hash: token.hash(), lifetime: self.lifetimes.of(purpose), sealed })
    }

    /// A mail without one.
    #[must_use]
    pub fn notice(&self, kind: Kind) -> Notice {
        Notice { id: Uuid::now_v7(), kind, lifetime: NOTICE_LIFETIME }
    }

    /// The token that waits in a mail.
    ///
    /// # Errors
    /// [`Unopened`]
    pub fn open(&self, id: Uuid, kind: Kind, sealed: &Sealed) -> Result<Secret<String>, Unopened> {
        let content = self.keys.open(sealed, &associated_data(id, kind))?;
        let text = String::from_utf8(content.expose().clone()).map_err(|_| Unopened::Tampered)?;
        Ok(Secret::new(text))
    }

    /// How long tokens are good.
    #[must_use]
    pub const fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }
}

/// A box opens in its own row only. Kinds contain no NUL, so the parts cannot be shifted.
fn associated_data(id: Uuid, kind: Kind) -> Vec<u8> {
    [kind.as_str().as_bytes(), b"\0", id.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(current: u8, previous: &[u8]) -> Outgoing {
        let secret = |byte| Secret::new(vec![byte; 32]);
        let previous: Vec<_> = previous.iter().copied().map(secret).collect();
        let lifetimes = Lifetimes { verify: Duration::from_secs(2), reset: Duration::from_secs(1) };
        Outgoing::new(&RootSecrets::new(&secret(current), &previous), lifetimes)
    }

    #[test]
    fn a_token_is_opened_in_its_own_mail_only() {
        let outgoing = outgoing(1, &[]);
        let (one, other) = (
            outgoing.letter(Purpose::ResetPassword).unwrap(),
            outgoing.letter(Purpose::VerifyEmail).unwrap(),
        );
        assert_eq!((one.lifetime, other.lifetime), (Duration::from_secs(1), Duration::from_secs(2)));
        let opened = outgoing.open(one.id, Kind::ResetPassword, &one.sealed).unwrap();
        assert_eq!(MailTokenHash::of_presented(opened.expose()), Ok(one.hash));
        for (id, kind) in [(other.id, Kind::ResetPassword), (one.id, Kind::VerifyEmail)] {
            assert_eq!(outgoing.open(id, kind, &one.sealed), Err(Unopened::Tampered));
        }
        let stored = String::from_utf8_lossy(&one.sealed.bytes).into_owned();
        assert!(!stored.contains(opened.expose()));
    }

    #[test]
    fn a_replaced_secret_opens_what_waits() {
        let letter = outgoing(1, &[]).letter(Purpose::VerifyEmail).unwrap();
        assert!(outgoing(2, &[1]).open(letter.id, Kind::VerifyEmail, &letter.sealed).is_ok());
        let unknown = outgoing(2, &[]).open(letter.id, Kind::VerifyEmail, &letter.sealed);
        assert_eq!(unknown, Err(Unopened::UnknownSecret));
    }
}
