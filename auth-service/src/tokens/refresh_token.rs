//! The refresh token: opaque to clients, self-certifying to us.
//!
//! `base64url(version ‖ secret id ‖ delivery ‖ session id ‖ generation ‖ session nonce ‖ tag)`, the tag an HMAC-SHA256 over
//! everything before it under a key derived from the secret that the token names. A forged or garbled token is refused
//! here, without a question to the database. `docs/refresh-token.md` draws the layout and `docs/vectors/refresh-token.json`
//! fixes it.

use std::fmt;

use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secret::Secret;
use uuid::Uuid;

use super::root::{RootSecret, RootSecrets, SecretId};
use crate::sessions::{Delivery, SessionId};

/// The first byte of every token.
const VERSION: u8 = 1;
/// The HKDF label of the key that tags are made with.
const LABEL: &[u8] = b"portcullis/refresh/v1";

const SECRET_ID: usize = 1;
const DELIVERY: usize = SECRET_ID + SecretId::BYTES;
const SESSION_ID: usize = DELIVERY + 1;
const GENERATION: usize = SESSION_ID + 16;
const NONCE: usize = GENERATION + 8;
const TAG: usize = NONCE + Nonce::BYTES;
const TOKEN_BYTES: usize = TAG + 32;

/// The length of every token. The bytes are a multiple of three, so each token has exactly one spelling.
const TOKEN_CHARS: usize = TOKEN_BYTES / 3 * 4;

/// The random value that all tokens of one session carry, and of which the database knows only the hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; Self::BYTES]);

impl Nonce {
    /// Its length.
    pub const BYTES: usize = 16;

    /// Draws a new one.
    ///
    /// # Panics
    /// If the operating system has no randomness; nothing could be issued safely then.
    #[must_use]
    #[expect(clippy::expect_used, reason = "without randomness nothing may be issued")]
    pub fn generate() -> Self {
        let mut bytes = [0; Self::BYTES];
        rand::fill(&mut bytes).expect("the system's random number generator works");
        Self(bytes)
    }

    /// A nonce of known bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// What the session's row keeps of it.
    #[must_use]
    pub fn hash(&self) -> NonceHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        NonceHash(hash)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[nonce]")
    }
}

/// SHA-256 of a session's nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NonceHash(pub [u8; 32]);

/// What a refresh token says, after its tag has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// Whether its client holds it in a cookie or takes it from bodies.
    pub delivery: Delivery,
    /// The session it belongs to.
    pub session_id: SessionId,
    /// How often that session had rotated when it was made.
    pub generation: i64,
    /// The session's nonce.
    pub nonce: Nonce,
}

impl RefreshToken {
    /// The first token of a new session.
    #[must_use]
    pub const fn first(session_id: SessionId, delivery: Delivery, nonce: Nonce) -> Self {
        Self { delivery, session_id, generation: 0, nonce }
    }

    /// The session's token of another generation: derived, not drawn, so it can be made again.
    #[must_use]
    pub const fn at_generation(self, generation: i64) -> Self {
        Self { generation, ..self }
    }
}

/// Not a token of ours. It says no more on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the refresh token is not valid")]
pub struct InvalidToken;

/// The keys that tokens are tagged with: the first one issues, all of them open.
#[derive(Clone)]
pub struct RefreshKeys {
    current: Key,
    previous: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: SecretId,
    hmac: hmac::Key,
}

impl RefreshKeys {
    /// Derives the keys.
    #[must_use]
    pub fn new(secrets: &RootSecrets) -> Self {
        Self {
            current: Key::derive(secrets.current()),
            previous: secrets.previous().iter().map(Key::derive).collect(),
        }
    }

    /// Writes a token, always under the current secret.
    #[must_use]
    pub fn issue(&self, token: &RefreshToken) -> Secret<String> {
        let mut bytes = [0; TOKEN_BYTES];
        bytes[0] = VERSION;
        bytes[SECRET_ID..DELIVERY].copy_from_slice(self.current.id.as_bytes());
        bytes[DELIVERY] = delivery_byte(token.delivery);
        bytes[SESSION_ID..GENERATION].copy_from_slice(token.session_id.0.as_bytes());
        bytes[GENERATION..NONCE].copy_from_slice(&token.generation.to_be_bytes());
        bytes[NONCE..TAG].copy_from_slice(&token.nonce.0);
        let tag = hmac::sign(&self.current.hmac, &bytes[..TAG]);
        bytes[TAG..].copy_from_slice(tag.as_ref());
        Secret::new(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a token and checks its tag, in constant time.
    ///
    /// # Errors
    /// [`InvalidToken`] for anything that was not issued under one of the secrets.
    pub fn open(&self, text: &str) -> Result<RefreshToken, InvalidToken> {
        let bytes = decode(text).ok_or(InvalidToken)?;
        let key = self.named(&bytes[SECRET_ID..DELIVERY]).ok_or(InvalidToken)?;
        hmac::verify(&key.hmac, &bytes[..TAG], &bytes[TAG..]).map_err(|_| InvalidToken)?;
        parse(&bytes).ok_or(InvalidToken)
    }

    fn named(&self, id: &[u8]) -> Option<&Key> {
        std::iter::once(&self.current).chain(&self.previous).find(|key| key.id.as_bytes() == id)
    }
}

impl fmt::Debug for RefreshKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[refresh keys]")
    }
}

impl Key {
    fn derive(secret: &RootSecret) -> Self {
        Self { id: secret.id(), hmac: hmac::Key::new(hmac::HMAC_SHA256, &secret.derive(LABEL)) }
    }
}

fn decode(text: &str) -> Option<[u8; TOKEN_BYTES]> {
    if text.len() != TOKEN_CHARS {
        return None;
    }
    let mut bytes = [0; TOKEN_BYTES];
    let written = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (written == TOKEN_BYTES).then_some(bytes)
}

/// Reads the fields of a token whose tag has been checked.
fn parse(bytes: &[u8; TOKEN_BYTES]) -> Option<RefreshToken> {
    let generation = i64::from_be_bytes(bytes[GENERATION..NONCE].try_into().ok()?);
    if bytes[0] != VERSION || generation < 0 {
        return None;
    }
    Some(RefreshToken {
        delivery: delivery_of(bytes[DELIVERY])?,
        session_id: SessionId(Uuid::from_slice(&bytes[SESSION_ID..GENERATION]).ok()?),
        generation,
        nonce: Nonce::from_bytes(bytes[NONCE..TAG].try_into().ok()?),
    })
}

pub(super) const fn delivery_byte(delivery: Delivery) -> u8 {
    match delivery {
        Delivery::Cookie => 0,
        Delivery::Body => 1,
    }
}

pub(super) const fn delivery_of(byte: u8) -> Option<Delivery> {
    match byte {
        0 => Some(Delivery::Cookie),
        1 => Some(Delivery::Body),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../docs/vectors/refresh-token.json")).unwrap()
    }

    fn text<'v>(value: &'v Value, name: &str) -> &'v str {
        value[name].as_str().unwrap()
    }

    fn unhex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    fn secret(vectors: &Value, name: &str) -> Secret<Vec<u8>> {
        Secret::new(unhex(text(&vectors["secrets"][name], "hex")))
    }

    fn keys(vectors: &Value) -> RefreshKeys {
        let previous = [secret(vectors, "previous")];
        RefreshKeys::new(&RootSecrets::new(&secret(vectors, "current"), &previous))
    }

    fn described(vector: &Value) -> RefreshToken {
        RefreshToken {
            delivery: text(vector, "delivery").parse().unwrap(),
            session_id: SessionId(text(vector, "sessionId").parse().unwrap()),
            generation: vector["generation"].as_i64().unwrap(),
            nonce: Nonce(unhex(text(vector, "nonce")).try_into().unwrap()),
        }
    }

    #[test]
    fn keys_and_names_are_derived_as_the_vectors_say() {
        let vectors = vectors();
        for name in ["current", "previous"] {
            let root = RootSecret::new(&secret(&vectors, name));
            let expected = &vectors["secrets"][name];
            assert_eq!(root.id().as_bytes(), unhex(text(expected, "id")));
            assert_eq!(root.derive(LABEL), *unhex(text(expected, "key")));
        }
    }

    #[test]
    fn tokens_are_opened_and_issued_as_the_vectors_say() {
        let vectors = vectors();
        let keys = keys(&vectors);
        for vector in vectors["opened"].as_array().unwrap() {
            let (name, token) = (text(vector, "name"), described(vector));
            assert_eq!(keys.open(text(vector, "token")), Ok(token), "{name}");
            assert_eq!(token.nonce.hash().0, *unhex(text(vector, "nonceHash")), "{name}");
            let issued = keys.issue(&token);
            // Under the previous secret nothing is issued any more.
            assert_eq!(
                issued.expose() == text(vector, "token"),
                text(vector, "secret") == "current",
                "{name}"
            );
            assert_eq!(keys.open(issued.expose()), Ok(token), "{name}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused_as_the_vectors_say() {
        let vectors = vectors();
        for vector in vectors["refused"].as_array().unwrap() {
            let refused = keys(&vectors).open(text(vector, "token"));
            assert_eq!(refused, Err(InvalidToken), "{}", text(vector, "name"));
        }
    }

    #[test]
    fn without_the_previous_secret_its_tokens_are_refused() {
        let vectors = vectors();
        let keys = RefreshKeys::new(&RootSecrets::new(&secret(&vectors, "current"), &[]));
        let under_previous = vectors["opened"].as_array().unwrap().iter().find(|v| v["secret"] == "previous");
        assert_eq!(keys.open(text(under_previous.unwrap(), "token")), Err(InvalidToken));
    }

    #[test]
    fn debug_output_hides_the_nonce() {
        let vectors = vectors();
        let shown = format!("{:?} {:?}", described(&vectors["opened"][0]), keys(&vectors));
        assert!(shown.contains("[nonce]") && !shown.contains("160"), "{shown}");
    }

    proptest! {
        #[test]
        fn every_token_is_read_back_and_no_changed_byte_passes(
            body: bool, id: [u8; 16], generation in 0i64.., nonce: [u8; 16], at in 0..TOKEN_CHARS, with in "[A-Za-z0-9_-]",
        ) {
            let keys = keys(&vectors());
            let delivery = if body { Delivery::Body } else { Delivery::Cookie };
            let first = RefreshToken::first(SessionId(Uuid::from_bytes(id)), delivery, Nonce(nonce));
            let token = first.at_generation(generation);
            let issued = keys.issue(&token);
            prop_assert_eq!(issued.expose().len(), TOKEN_CHARS);
            prop_assert_eq!(keys.open(issued.expose()), Ok(token));
            let mut changed = issued.expose().clone();
            changed.replace_range(at..=at, &with);
            if changed != *issued.expose() {
                prop_assert_eq!(keys.open(&changed), Err(InvalidToken));
            }
        }

        #[test]
        fn garbage_is_refused_quietly(text in "\\PC{0,200}") {
            prop_assert_eq!(keys(&vectors()).open(&text), Err(InvalidToken));
        }
    }
}
