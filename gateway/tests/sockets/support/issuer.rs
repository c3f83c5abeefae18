//! Who issues tokens: keys, a JWKS that can be changed or fail, and tokens signed by another party's library.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Response, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::upstream::{Upstream, full};

/// An auth service, as far as the gateway's verification sees one.
pub(crate) struct Issuer {
    server: Upstream,
    keys: Mutex<Vec<(String, EncodingKey, Value)>>,
    published: Arc<Mutex<Option<Value>>>,
    fetches: Arc<AtomicUsize>,
}

impl Issuer {
    /// With one key, `k1`, published.
    pub(crate) async fn new() -> Self {
        let published = Arc::new(Mutex::new(None));
        let fetches = Arc::new(AtomicUsize::new(0));
        let (document, counter) = (Arc::clone(&published), Arc::clone(&fetches));
        let server = Upstream::answering(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            let document: Option<Value> = document.lock().unwrap().clone();
            async move {
                let mut answer =
                    Response::new(full(document.as_ref().map_or(String::new(), Value::to_string)));
                if document.is_none() {
                    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                }
                answer
            }
        })
        .await;
        let issuer = Self { server, keys: Mutex::default(), published, fetches };
        issuer.add_key("k1");
        issuer.publish(&["k1"]);
        issuer
    }

    /// Another replica of it, which publishes what it is told and has the keys that there are now.
    pub(crate) async fn replica(&self) -> Self {
        let replica = Self::new().await;
        self.keys.lock().unwrap().clone_into(&mut replica.keys.lock().unwrap());
        replica.publish(&["k1"]);
        replica
    }

    /// Makes a key without publishing it.
    pub(crate) fn add_key(&self, kid: &str) {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap();
        let point = pair.public_key().as_ref();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid,
            "x": text(&point[1..33]), "y": text(&point[33..]),
        });
        self.keys.lock().unwrap().push((kid.to_owned(), EncodingKey::from_ec_der(document.as_ref()), jwk));
    }

    /// Publishes exactly these keys.
    pub(crate) fn publish(&self, kids: &[&str]) {
        let keys = self.keys.lock().unwrap();
        let keys: Vec<_> =
            keys.iter().filter(|key| kids.contains(&key.0.as_str())).map(|key| key.2.clone()).collect();
        *self.published.lock().unwrap() = Some(json!({ "keys": keys }));
    }

    /// Answers 503 from now on.
    pub(crate) fn fail(&self) {
        *self.published.lock().unwrap() = None;
    }

    /// How often the key set was fetched.
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/jwks.json", self.server.address)
    }

    /// Ann's token, good for ten minutes.
    pub(crate) fn token(&self) -> String {
        self.token_with("k1", json!({}))
    }

    /// Ann's token, signed by a key, with other claims; `null` takes one away.
    pub(crate) fn token_with(&self, kid: &str, other: Value) -> String {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let mut claims = json!({
            "iss": "http://auth", "aud": "api", "sub": "u-ann", "client_id": "portcullis", "sid": "s-1", "epoch": 0,
            "jti": "j-1", "iat": now, "exp": now + 600, "email": "ann@example.com", "role": "USER",
        });
        claims.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("at+jwt".into());
        header.kid = Some(kid.to_owned());
        let keys = self.keys.lock().unwrap();
        let key = keys.iter().find(|key| key.0 == kid).expect("a key of that name");
        encode(&header, &claims, &key.1).unwrap()
    }
}
