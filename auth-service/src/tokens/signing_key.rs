//! One signing key: a prepared key pair, its public half as a JWK, and its name.
//!
//! The key is parsed once. (jsonwebtoken's `encode` parses it again on every call, which costs twice as much as the signature.)

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{digest, error::Unspecified};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secret::Secret;
use serde::Serialize;
use time::OffsetDateTime;

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

/// A public key as it is published (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwk {
    kty: &'static str,
    crv: &'static str,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: String,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

/// A key that signs.
pub struct SigningKey {
    pair: Pair,
    jwk: Jwk,
    /// The first part of every token, dot included: it never changes for a key.
    header: String,
    signs_from: OffsetDateTime,
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
        signs_from: OffsetDateTime,
    ) -> Result<Self, UnusableKey> {
        let pair = Pair::parse(algorithm, pkcs8.expose())?;
        let jwk = pair.jwk();
        let header = header(algorithm, &jwk.kid);
        Ok(Self { pair, jwk, header, signs_from })
    }

    /// The key's name: the RFC 7638 thumbprint of its public half.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.jwk.kid
    }

    /// What it signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Es256(_) => Algorithm::Es256,
            Pair::EdDsa(_) => Algorithm::EdDsa,
        }
    }

    /// Its public half.
    #[must_use]
    pub const fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// From when it signs.
    #[must_use]
    pub const fn signs_from(&self) -> OffsetDateTime {
        self.signs_from
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
        write!(formatter, "[{} key {}]", self.algorithm().as_str(), self.kid())
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

    fn jwk(&self) -> Jwk {
        let (kty, crv, alg, x, y) = match self {
            Self::Es256(pair) => {
                // An uncompressed point (SEC 1, 2.3.3): 0x04, then x and y, 32 bytes each.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                ("EC", "P-256", "ES256", encode(x), Some(encode(y)))
            }
            Self::EdDsa(pair) => ("OKP", "Ed25519", "EdDSA", encode(pair.public_key().as_ref()), None),
        };
        let kid = thumbprint(kty, crv, &x, y.as_deref());
        Jwk { kty, crv, x, y, usage: "sig", alg, kid }
    }
}

/// RFC 7638: SHA-256 over the required members in alphabetical order, without white space.
fn thumbprint(kty: &str, crv: &str, x: &str, y: Option<&str>) -> String {
    let y = y.map(|y| format!(r#","y":"{y}""#)).unwrap_or_default();
    let members = format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}"{y}}}"#);
    encode(digest::digest(&digest::SHA256, members.as_bytes()).as_ref())
}

fn header(algorithm: Algorithm, kid: &str) -> String {
    let json = format!(r#"{{"typ":"at+jwt","alg":"{}","kid":"{kid}"}}"#, algorithm.as_str());
    encode(json.as_bytes()) + "."
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_key_is_its_thumbprint() {
        // RFC 8037, appendix A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        assert_eq!(thumbprint("OKP", "Ed25519", x, None), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_published_key_has_no_private_member() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let now = OffsetDateTime::UNIX_EPOCH;
            let pkcs8 = SigningKey::generate(algorithm).unwrap();
            let key = SigningKey::from_pkcs8(algorithm, &pkcs8, now).unwrap();
            let jwk = serde_json::to_value(key.jwk()).unwrap();
            let mut members: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
            members.retain(|member| *member != "y");
            assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
            assert_eq!((&jwk["alg"], &jwk["kid"]), (&algorithm.as_str().into(), &key.kid().into()));
            assert!(SigningKey::from_pkcs8(other(algorithm), &pkcs8, now).is_err());
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
