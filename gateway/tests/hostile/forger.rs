//! An issuer whose every byte is in the test's hands: headers, claims and signatures of tokens, and the key set.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::Upstream;
use crate::wire::find;

/// A key `k1` and where it is published.
pub(crate) struct Forger {
    server: Upstream,
    pair: EcdsaKeyPair,
    published: Arc<Mutex<Published>>,
    fetches: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Published {
    bytes: Vec<u8>,
    then_hangs: bool,
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// `value` with another member.
pub(crate) fn with(mut value: Value, name: &str, member: Value) -> Value {
    value.as_object_mut().unwrap().insert(name.to_owned(), member);
    value
}

fn new_pair() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap()
}

fn signed(pair: &EcdsaKeyPair, header: &str, claims: &str) -> String {
    let text = format!("{}.{}", encode(header), encode(claims));
    let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
    format!("{text}.{}", encode(signature))
}

impl Forger {
    /// Publishes its key.
    pub(crate) async fn new() -> Self {
        let published = Arc::new(Mutex::new(Published { bytes: Vec::new(), then_hangs: false }));
        let fetches = Arc::new(AtomicUsize::new(0));
        let (current, counter) = (Arc::clone(&published), Arc::clone(&fetches));
        let server = Upstream::raw(move |mut stream| {
            let (current, counter) = (Arc::clone(&current), Arc::clone(&counter));
            async move {
                let mut asked = Vec::new();
                while find(&asked, b"\r\n\r\n").is_none() {
                    if stream.read_buf(&mut asked).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                counter.fetch_add(1, Ordering::SeqCst);
                let Published { bytes, then_hangs } = current.lock().unwrap().clone();
                // The gateway may have had enough before all of it is written.
                let _ = stream.write_all(&bytes).await;
                if then_hangs {
                    std::future::pending::<()>().await;
                }
            }
        })
        .await;
        let forger = Self { server, pair: new_pair(), published, fetches };
        forger.publish(&json!({"keys": [forger.jwk()]}).to_string());
        forger
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/jwks.json", self.server.address)
    }

    /// How often the key set was asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// The public key, as published.
    pub(crate) fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "k1",
            "x": encode(&point[1..33]), "y": encode(&point[33..]),
        })
    }

    /// The uncompressed point: what a careless verifier would take for an HMAC secret.
    pub(crate) fn public_bytes(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// Publishes a document from now on.
    pub(crate) fn publish(&self, document: &str) {
        let length = document.len();
        self.answer(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{document}"), false);
    }

    /// Answers these bytes from now on, and perhaps never closes.
    pub(crate) fn answer(&self, bytes: impl Into<Vec<u8>>, then_hangs: bool) {
        *self.published.lock().unwrap() = Published { bytes: bytes.into(), then_hangs };
    }

    /// The header of an honest token.
    #[expect(clippy::unused_self, reason = "reads as the issuer's, beside `claims` and `sign`")]
    pub(crate) fn header(&self) -> Value {
        json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"})
    }

    /// Ann's claims, good for ten minutes.
    #[expect(clippy::unused_self, reason = "reads as the issuer's, beside `header` and `sign`")]
    pub(crate) fn claims(&self) -> Value {
        let now = now();
        json!({
            "iss": "http://auth", "aud": "api", "sub": "u-ann", "client_id": "portcullis", "sid": "s-1",
            "epoch": 0, "jti": "j-1", "iat": now, "exp": now + 600, "email": "ann@example.com", "role": "USER",
        })
    }

    /// A token of exactly these texts, with a true signature.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        signed(&self.pair, header, claims)
    }

    /// The same, signed by a key that nobody knows.
    pub(crate) fn sign_by_another(&self, header: &str, claims: &str) -> String {
        signed(&new_pair(), header, claims)
    }

    /// Ann's token, or one with another claim.
    pub(crate) fn token(&self, name: &str, claim: Value) -> String {
        self.sign(&self.header().to_string(), &with(self.claims(), name, claim).to_string())
    }

    pub(crate) fn anns(&self) -> String {
        self.token("jti", json!("ann"))
    }
}
