//! One signing key: a prepared key pair, its public half as a JWK, and its name.
//!
//! Header and JWK are jsonwebtoken's, made once. Signatures are not: its `encode` parses the key again on every call, which
//! costs twice as much as the signature.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{EncodingKey, Header};
use secret::Secret;

use super::rotation::{KeyLabel, KeyTimes};

/// The algorithms that we sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256: what every verifier knows.
    Es256,
    /// Ed25519 (RFC 8037).
    EdDsa,
}

impl Algorithm {
    /// The algorithm as JOSE, the settings and the database spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    const fn jose(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// An algorithm that we do not sign with.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no algorithm to sign with: ES256 and EdDSA are")]
pub struct UnknownAlgorithm(String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        match text {
            "ES256" => Ok(Self::Es256),
            "EdDSA" => Ok(Self::EdDsa),
            other => Err(UnknownAlgorithm(other.to_owned())),
        }
    }
}

/// The bytes of a private key (PKCS#8) are not one of the named algorithm, or the library refused to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a usable private key")]
pub struct UnusableKey;

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

/// A key that signs.
pub struct SigningKey {
    pair: Pair,
    label: KeyLabel,
    jwk: Jwk,
    /// The first part of every token, dot included: it never changes for a key.
    header: String,
}

impl SigningKey {
    /// Draws a new private key; the answer is its PKCS#8 form.
    ///
    /// # Errors
    /// [`UnusableKey`] if the library cannot make one.
    pub fn generate(algorithm: Algorithm) -> Result<Secret<Vec<u8>>, UnusableKey> {
        let pkcs8 = match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            }
            Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()),
        };
        pkcs8.map(|document| Secret::new(document.as_ref().to_vec())).map_err(|_| UnusableKey)
    }

    /// Prepares a private key.
    ///
    /// # Errors
    /// [`UnusableKey`] if the bytes are none of that algorithm.
    pub fn from_pkcs8(
        algorithm: Algorithm,
        pkcs8: &Secret<Vec<u8>>,
        times: KeyTimes,
    ) -> Result<Self, UnusableKey> {
        let pair = Pair::parse(algorithm, pkcs8.expose())?;
        let mut jwk = public_half(algorithm, pkcs8.expose())?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| UnusableKey)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let header = header(algorithm, &kid)?;
        Ok(Self { pair, label: KeyLabel { kid, algorithm, times }, jwk, header })
    }

    /// Its name, algorithm and times.
    #[must_use]
    pub const fn label(&self) -> &KeyLabel {
        &self.label
    }

    /// The key's name: the RFC 7638 thumbprint of its public half.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.label.kid
    }

    /// Its public half, as it is published (RFC 7517).
    #[must_use]
    pub const fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// Makes a JWT (RFC 7515, compact) of claims that are JSON already.
    ///
    /// # Errors
    /// [`UnusableKey`] if the library refuses to sign.
    pub fn sign(&self, claims: &[u8]) -> Result<String, UnusableKey> {
        let mut token = String::with_capacity(self.header.len() + claims.len() * 4 / 3 + 100);
        token.push_str(&self.header);
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.pair.sign(token.as_bytes()).map_err(|_| UnusableKey)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{} key {}]", self.label.algorithm.as_str(), self.kid())
    }
}

impl Pair {
    fn parse(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, UnusableKey> {
        match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map(Self::Es256)
            }
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(pkcs8).map(Self::EdDsa),
        }
        .map_err(|_| UnusableKey)
    }

    fn sign(&self, message: &[u8]) -> Result<aws_lc_rs::signature::Signature, Unspecified> {
        match self {
            Self::Es256(pair) => pair.sign(&SystemRandom::new(), message),
            Self::EdDsa(pair) => pair.try_sign(message),
        }
    }
}

/// The public half is computed from the private one, never stored beside it.
fn public_half(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Jwk, UnusableKey> {
    let key = match algorithm {
        Algorithm::Es256 => EncodingKey::from_ec_der(pkcs8),
        Algorithm::EdDsa => EncodingKey::from_ed_der(pkcs8),
    };
    Jwk::from_encoding_key(&key, algorithm.jose()).map_err(|_| UnusableKey)
}

/// The JOSE header of an access token (RFC 9068 section 2.1), encoded, with the dot after it.
fn header(algorithm: Algorithm, kid: &str) -> Result<String, UnusableKey> {
    let mut header = Header::new(algorithm.jose());
    header.typ = Some(access_token::TYPE.to_owned());
    header.kid = Some(kid.to_owned());
    let json = serde_json::to_vec(&header).map_err(|_| UnusableKey)?;
    Ok(URL_SAFE_NO_PAD.encode(json) + ".")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::OffsetDateTime;

    use super::*;

    const TIMES: KeyTimes = KeyTimes {
        created_at: OffsetDateTime::UNIX_EPOCH,
        signs_from: OffsetDateTime::UNIX_EPOCH,
        token_lifetime: Duration::from_secs(900),
    };

    #[test]
    fn the_name_of_a_key_is_its_thumbprint() {
        // The private key of RFC 8037, appendix A.1, in PKCS #8 (RFC 8410), and its thumbprint in A.3.
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        let pkcs8 = Secret::new([head.as_slice(), &seed].concat());
        let key = SigningKey::from_pkcs8(Algorithm::EdDsa, &pkcs8, TIMES).unwrap();
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_published_key_has_no_private_member() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let pkcs8 = SigningKey::generate(algorithm).unwrap();
            let key = SigningKey::from_pkcs8(algorithm, &pkcs8, TIMES).unwrap();
            let jwk = serde_json::to_value(key.jwk()).unwrap();
            let mut members: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
            members.retain(|member| *member != "y");
            assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
            assert_eq!((&jwk["alg"], &jwk["kid"]), (&algorithm.as_str().into(), &key.kid().into()));
            assert!(SigningKey::from_pkcs8(other(algorithm), &pkcs8, TIMES).is_err());
        }
    }

    fn other(algorithm: Algorithm) -> Algorithm {
        match algorithm {
            Algorithm::Es256 => Algorithm::EdDsa,
            Algorithm::EdDsa => Algorithm::Es256,
        }
    }

    #[test]
    fn every_algorithm_is_read_back_as_itself() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
        assert!("RS256".parse::<Algorithm>().is_err() && "none".parse::<Algorithm>().is_err());
    }
}
