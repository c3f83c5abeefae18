//! Verification: signature first, then what the token claims.

use crate::claims::Claims;
use crate::encoding::decode;
use crate::header::Header;
use crate::key_set::KeySet;
use crate::{ISSUED_AT_LEEWAY_SECONDS, MAX_BYTES, TYPE};

/// Whose tokens, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must be or contain.
    pub audience: String,
}

/// Why a token is not accepted. It never repeats the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than [`MAX_BYTES`].
    #[error("the token is too long")]
    TooLong,
    /// Not three base64url parts, or a header that is no JSON object of the expected form.
    #[error("the token is malformed")]
    Malformed,
    /// `typ` is not [`TYPE`].
    #[error("the token is no access token")]
    WrongType,
    /// `crit`, or a key that the token brings or points at.
    #[error("the token's header asks for what is not supported")]
    UnsupportedHeader,
    /// The key set has no such key, perhaps not yet.
    #[error("the token's key is unknown")]
    UnknownKey {
        /// The key that the token names.
        kid: String,
    },
    /// `alg` is not the key's algorithm.
    #[error("the token's algorithm is not its key's")]
    WrongAlgorithm,
    /// The signature is not the key's over this token.
    #[error("the token's signature is wrong")]
    WrongSignature,
    /// Claims that are missing, named twice, or of another type.
    #[error("the token's claims are malformed")]
    MalformedClaims,
    /// Somebody else's token.
    #[error("the token has another issuer")]
    WrongIssuer,
    /// A token for somebody else.
    #[error("the token is for another audience")]
    WrongAudience,
    /// `exp` has been reached.
    #[error("the token has expired")]
    Expired,
    /// `nbf`, or `iat` with its leeway, lies ahead.
    #[error("the token is not valid yet")]
    NotYetValid,
}

impl Verification {
    /// Verifies a token in the compact form of RFC 7515 at the time `now`, in Unix seconds.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies. Claims are not even parsed before the signature has been checked.
    pub fn verify(&self, token: &str, keys: &KeySet, now: i64) -> Result<Claims, Refusal> {
        if token.len() > MAX_BYTES {
            return Err(Refusal::TooLong);
        }
        let parts = Parts::split(token).ok_or(Refusal::Malformed)?;
        parts.check_signature(keys)?;
        let claims =
            decode(parts.payload).and_then(|json| Claims::parse(&json)).ok_or(Refusal::MalformedClaims)?;
        self.check_claims(&claims, now)?;
        Ok(claims)
    }

    fn check_claims(&self, claims: &Claims, now: i64) -> Result<(), Refusal> {
        if claims.iss != self.issuer {
            return Err(Refusal::WrongIssuer);
        }
        if !claims.aud.contains(&self.audience) {
            return Err(Refusal::WrongAudience);
        }
        if claims.exp <= now {
            return Err(Refusal::Expired);
        }
        let latest_issue = now.saturating_add(ISSUED_AT_LEEWAY_SECONDS);
        if claims.iat > latest_issue || claims.nbf.is_some_and(|nbf| nbf > now) {
            return Err(Refusal::NotYetValid);
        }
        Ok(())
    }
}

/// The key that a token names, whether or not it is the key's.
#[must_use]
pub fn key_id(token: &str) -> Option<String> {
    let (header, _) = token.split_once('.')?;
    Header::parse(&decode(header)?).map(|header| header.kid)
}

struct Parts<'t> {
    header: &'t str,
    payload: &'t str,
    signature: &'t str,
    /// Header and payload with the dot between them: what is signed.
    signed: &'t str,
}

impl<'t> Parts<'t> {
    fn split(token: &'t str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        (!payload.contains('.')).then_some(Self { header, payload, signature, signed })
    }

    fn check_signature(&self, keys: &KeySet) -> Result<(), Refusal> {
        let header = decode(self.header).and_then(|json| Header::parse(&json)).ok_or(Refusal::Malformed)?;
        if header.typ != TYPE {
            return Err(Refusal::WrongType);
        }
        if header.demands_or_embeds() {
            return Err(Refusal::UnsupportedHeader);
        }
        let key = keys.get(&header.kid).ok_or(Refusal::UnknownKey { kid: header.kid })?;
        if header.alg != key.algorithm {
            return Err(Refusal::WrongAlgorithm);
        }
        let signature = decode(self.signature).ok_or(Refusal::Malformed)?;
        if key.verifies(self.signed.as_bytes(), &signature) { Ok(()) } else { Err(Refusal::WrongSignature) }
    }
}
