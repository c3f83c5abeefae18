//! The gateway's root key and the key that each upstream gets from it.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secret::Secret;

const INFO: &str = "portcullis/identity/v1/";
const KEY_BYTES: usize = 32;

/// The gateway's `IDENTITY_KEY`. No service ever holds it: with it one could sign for every other.
#[derive(Debug, Clone)]
pub struct RootKey(Secret<Vec<u8>>);

impl RootKey {
    /// Wraps the key as the settings gave it.
    #[must_use]
    pub fn new(key: Secret<Vec<u8>>) -> Self {
        Self(key)
    }

    /// The key of one upstream: HKDF-SHA256 with an empty salt and the upstream's name in `info`.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "HKDF-SHA256 refuses only more than 8,160 bytes; this asks for 32, at start-up"
    )]
    pub fn upstream(&self, name: &str) -> UpstreamKey {
        let mut key = vec![0; KEY_BYTES];
        Salt::new(HKDF_SHA256, &[])
            .extract(self.0.expose())
            .expand(&[INFO.as_bytes(), name.as_bytes()], KeyLength)
            .and_then(|okm| okm.fill(&mut key))
            .expect("32 bytes are within what HKDF-SHA256 gives");
        UpstreamKey(Secret::new(key))
    }
}

/// The key that the gateway and one upstream share; the service's own setting `IDENTITY_KEY`.
#[derive(Debug, Clone)]
pub struct UpstreamKey(Secret<Vec<u8>>);

impl UpstreamKey {
    /// Wraps the key as the settings gave it.
    #[must_use]
    pub fn new(key: Secret<Vec<u8>>) -> Self {
        Self(key)
    }

    /// The key as `gateway identity-key` prints it and a service's setting takes it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0.expose())
    }

    pub(crate) fn hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.0.expose())
    }
}

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}
