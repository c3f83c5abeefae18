//! The gateway's side: one signature per forwarded request, so everything constant is made once.

use std::io::Write as _;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::keys::UpstreamKey;
use crate::message::{ALG_AND_TAG, COVERED, LABEL, Message};

// A base with ordinary values fits; a longer one only grows the buffer.
const USUAL_BASE_BYTES: usize = 1024;

/// Signs for one upstream.
pub struct Signer {
    key: hmac::Key,
    /// `;keyid="…";alg=…;tag=…`
    after_created: String,
}

/// The two headers that go with a signed request.
#[derive(Debug, Clone)]
pub struct Signature {
    /// `Signature-Input`
    pub input: HeaderValue,
    /// `Signature`
    pub signature: HeaderValue,
}

impl Signer {
    /// A signer for the upstream of this name ([`crate::names::is_upstream_name`]), which becomes the `keyid`.
    #[must_use]
    pub fn new(upstream: &str, key: &UpstreamKey) -> Self {
        Self { key: key.hmac(), after_created: format!(";keyid=\"{upstream}\"{ALG_AND_TAG}") }
    }

    /// Signs a request; `created` is the time in Unix seconds.
    #[must_use]
    pub fn sign(&self, message: &Message<'_>, created: i64) -> Signature {
        let mut base = Vec::with_capacity(USUAL_BASE_BYTES);
        message.write_base(&mut base);
        let list = base.len() - COVERED.len();
        // Writing to a Vec does not fail.
        let _ = write!(base, ";created={created}{}", self.after_created);

        let tag = hmac::sign(&self.key, &base);
        Signature { input: input(&base[list..]), signature: signature(tag.as_ref()) }
    }
}

fn input(parameters: &[u8]) -> HeaderValue {
    let mut value = Vec::with_capacity(LABEL.len() + 1 + parameters.len());
    value.extend_from_slice(LABEL.as_bytes());
    value.push(b'=');
    value.extend_from_slice(parameters);
    header(value)
}

fn signature(tag: &[u8]) -> HeaderValue {
    let mut value = String::with_capacity(LABEL.len() + 3 + tag.len().div_ceil(3) * 4);
    value.push_str(LABEL);
    value.push_str("=:");
    STANDARD.encode_string(tag, &mut value);
    value.push(':');
    header(value.into_bytes())
}

/// Fails closed: bytes that no header may carry (an upstream name with a line break) give an empty value, which
/// every verifier refuses.
fn header(value: Vec<u8>) -> HeaderValue {
    HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}
