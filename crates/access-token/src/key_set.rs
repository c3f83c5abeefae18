//! The public keys of a JWKS (RFC 7517), prepared once so that a verification parses nothing.

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use serde::Deserialize;

use crate::encoding::decode;

/// Keys by `kid`.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: HashMap<String, Key>,
    ignored: usize,
}

/// A prepared key with the one algorithm that it verifies.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) algorithm: &'static str,
    public: ParsedPublicKey,
}

/// Why a document gives no key set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// No JSON of the form `{"keys": […]}`.
    #[error("the document is no JSON Web Key Set")]
    Malformed,
    /// Nothing in it can verify an access token.
    #[error("the key set holds no key for ES256, EdDSA or RS256")]
    Empty,
    /// Which of the two is meant cannot be told.
    #[error("the key set names the key {0:?} twice")]
    Duplicate(String),
}

impl KeySet {
    /// Reads a JWKS document. Keys of other kinds or for other uses are left out, as RFC 7517 section 5 asks;
    /// symmetric keys and private keys always are.
    ///
    /// # Errors
    /// [`KeySetError`]; the caller keeps what it had.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let document: Document = serde_json::from_slice(json).map_err(|_| KeySetError::Malformed)?;
        let mut set = Self::default();
        for key in document.keys {
            let usable = serde_json::from_value::<Jwk>(key).ok().and_then(|jwk| Some((jwk.key()?, jwk.kid)));
            let Some((key, kid)) = usable else {
                set.ignored += 1;
                continue;
            };
            if set.keys.insert(kid.clone(), key).is_some() {
                return Err(KeySetError::Duplicate(kid));
            }
        }
        if set.keys.is_empty() { Err(KeySetError::Empty) } else { Ok(set) }
    }

    /// Whether the set has this key.
    pub fn contains(&self, kid: &str) -> bool {
        self.keys.contains_key(kid)
    }

    /// The same set but for the keys that `is_out` names. Nothing may be left, and then nothing is verified.
    #[must_use]
    pub fn without(mut self, is_out: impl Fn(&str) -> bool) -> Self {
        self.keys.retain(|kid, _| !is_out(kid));
        self
    }

    /// Whether nothing is left in it ([`KeySet::without`]).
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The ids of the keys, in no order.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// How many keys of the document were left out.
    pub const fn ignored(&self) -> usize {
        self.ignored
    }

    pub(crate) fn get(&self, kid: &str) -> Option<&Key> {
        self.keys.get(kid)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}

impl Key {
    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(message, signature).is_ok()
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// One entry (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    /// Private; whoever publishes it has lost the key.
    d: Option<serde_json::Value>,
}

impl Jwk {
    fn key(&self) -> Option<Key> {
        if self.kid.is_empty() || self.d.is_some() || !self.is_for_signatures() {
            return None;
        }
        let (algorithm, public) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) => ("ES256", self.p256()?),
            ("OKP", Some("Ed25519")) => ("EdDSA", self.ed25519()?),
            ("RSA", _) => ("RS256", self.rsa()?),
            _ => return None,
        };
        self.alg.as_deref().is_none_or(|alg| alg == algorithm).then_some(Key { algorithm, public })
    }

    fn is_for_signatures(&self) -> bool {
        self.r#use.as_deref().is_none_or(|used| used == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"))
    }

    fn p256(&self) -> Option<ParsedPublicKey> {
        let (x, y) = (coordinate(self.x.as_ref())?, coordinate(self.y.as_ref())?);
        // SEC 1 section 2.3.3: 4 says that both coordinates follow.
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()
    }

    fn ed25519(&self) -> Option<ParsedPublicKey> {
        ParsedPublicKey::new(&ED25519, coordinate(self.x.as_ref())?).ok()
    }

    fn rsa(&self) -> Option<ParsedPublicKey> {
        let components = PublicKeyComponents { n: decode(self.n.as_ref()?)?, e: decode(self.e.as_ref()?)? };
        // The library checks the size only when it verifies, and then every time.
        (256..=1024).contains(&components.n.len()).then_some(())?;
        components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()
    }
}

/// Both curves have coordinates of 32 bytes, zeros in front included.
fn coordinate(text: Option<&String>) -> Option<Vec<u8>> {
    decode(text?).filter(|bytes| bytes.len() == 32)
}
