//! `JWT_SECRET`: the root from which labelled keys are derived. It signs no JWT itself.
//!
//! Tokens and boxes name the secret they were made under, so that a new one can be put in its place while
//! `JWT_SECRET_PREVIOUS` keeps the old ones opening.

use std::fmt;

use aws_lc_rs::hkdf;
use secret::Secret;

/// The HKDF label under which a secret's name is derived. The name tells nothing about the secret.
const ID_LABEL: &[u8] = b"portcullis/secret-id/v1";

/// A secret's name: four bytes that tokens and boxes carry.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretId([u8; Self::BYTES]);

impl SecretId {
    /// Its length.
    pub const BYTES: usize = 4;

    /// Reads a name back from where it was stored.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// One value of `JWT_SECRET`, ready to derive keys from.
#[derive(Clone)]
pub struct RootSecret {
    id: SecretId,
    prk: hkdf::Prk,
}

impl RootSecret {
    /// Prepares a secret (HKDF-Extract with an empty salt).
    #[must_use]
    pub fn new(secret: &Secret<Vec<u8>>) -> Self {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret.expose());
        let mut id = [0; SecretId::BYTES];
        id.copy_from_slice(&expand(&prk, ID_LABEL)[..SecretId::BYTES]);
        Self { id: SecretId(id), prk }
    }

    /// The secret's name.
    #[must_use]
    pub const fn id(&self) -> SecretId {
        self.id
    }

    /// The 32-byte key for one purpose.
    #[must_use]
    pub fn derive(&self, label: &[u8]) -> [u8; 32] {
        expand(&self.prk, label)
    }
}

impl fmt::Debug for RootSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[secret {:?}]", self.id)
    }
}

#[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 8160 bytes, and 32 are asked for")]
fn expand(prk: &hkdf::Prk, label: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    prk.expand(&[label], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .expect("32 bytes can be derived");
    key
}

/// `JWT_SECRET` and those of `JWT_SECRET_PREVIOUS`.
#[derive(Debug, Clone)]
pub struct RootSecrets {
    current: RootSecret,
    previous: Vec<RootSecret>,
}

impl RootSecrets {
    /// Prepares the secret in use and those that were before it.
    #[must_use]
    pub fn new(current: &Secret<Vec<u8>>, previous: &[Secret<Vec<u8>>]) -> Self {
        Self { current: RootSecret::new(current), previous: previous.iter().map(RootSecret::new).collect() }
    }

    /// What new tokens and boxes are made under.
    #[must_use]
    pub const fn current(&self) -> &RootSecret {
        &self.current
    }

    /// What old ones may still have been made under.
    #[must_use]
    pub fn previous(&self) -> &[RootSecret] {
        &self.previous
    }
}
