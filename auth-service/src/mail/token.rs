//! The token in a link: whoever has it reads the account's mail, or was handed the link by an operator.
//!
//! 256 random bits, good once and for one purpose. Only its hash is stored, so the database cannot be used in its place.

use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secret::Secret;

const BYTES: usize = 32;

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To prove that its holder reads the account's mail.
    VerifyEmail,
    /// To choose another password.
    ResetPassword,
}

impl Purpose {
    /// The purpose as the database spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
        }
    }
}

/// A token in the form that a link carries.
pub struct MailToken(Secret<String>);

/// SHA-256 of a token: what is stored and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailTokenHash(pub [u8; 32]);

/// Not a token that is good now: made up, used, replaced by a newer one, too old, or of an account that has changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this link is not good any more; ask for a new one")]
pub struct InvalidMailToken;

/// The system gives no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system has no randomness for a token")]
pub struct NoRandomness;

impl MailToken {
    /// A new token.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = [0; BYTES];
        rand::fill(&mut bytes).map_err(|_unspecified| NoRandomness)?;
        Ok(Self(Secret::new(URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The text for the link, and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is stored.
    #[must_use]
    pub fn hash(&self) -> MailTokenHash {
        MailTokenHash::hashed(self.expose())
    }
}

impl MailTokenHash {
    /// The hash of a presented text. What has not the form of a token is refused before the database is asked.
    pub fn of_presented(text: &str) -> Result<Self, InvalidMailToken> {
        match URL_SAFE_NO_PAD.decode(text) {
            Ok(bytes) if bytes.len() == BYTES => Ok(Self::hashed(text)),
            Ok(_) | Err(_) => Err(InvalidMailToken),
        }
    }

    fn hashed(text: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Self(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_are_recognised_by_their_hash() {
        let (one, other) = (MailToken::generate().unwrap(), MailToken::generate().unwrap());
        assert_ne!(one.hash(), other.hash());
        assert_eq!(MailTokenHash::of_presented(one.expose()), Ok(one.hash()));
        assert_eq!(one.expose().len(), 43);
    }

    #[test]
    fn what_has_not_the_form_of_a_token_is_none() {
        let token = MailToken::generate().unwrap();
        let (longer, shorter) = (format!("{}A", token.expose()), &token.expose()[..42]);
        for wrong in ["", "token", &longer, shorter, "\u{0}", &"é".repeat(30), &"A".repeat(100_000)] {
            assert_eq!(MailTokenHash::of_presented(wrong), Err(InvalidMailToken), "{wrong:.50}");
        }
    }
}
