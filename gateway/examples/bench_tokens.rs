//! Access tokens for `cargo xtask bench gateway`: one ES256 key, its key set, and as many users' tokens as are asked for.
//!
//! `bench_tokens FOLDER SEEN UNSEEN` writes `es256.pem`, `jwks.json`, `tokens` and `unseen`, a token a line.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context("FOLDER is missing")?);
    let seen: u32 = arguments.next().context("SEEN is missing")?.parse().context("SEEN")?;
    let unseen: u32 = arguments.next().context("UNSEEN is missing")?.parse().context("UNSEEN")?;
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref())?;
    fs::write(folder.join("es256.pem"), pem(&pair)?)?;
    fs::write(folder.join("jwks.json"), key_set(&pair))?;
    let key = EncodingKey::from_ec_der(document.as_ref());
    fs::write(folder.join("tokens"), tokens(&key, 0, seen)?)?;
    fs::write(folder.join("unseen"), tokens(&key, seen, unseen)?)?;
    Ok(())
}

/// The public key as HAProxy reads it.
fn pem(pair: &EcdsaKeyPair) -> Result<String> {
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
    let text = STANDARD.encode(der.as_ref());
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    Ok(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")))
}

/// RFC 7517; the key is an uncompressed point: a byte, x, y.
fn key_set(pair: &EcdsaKeyPair) -> String {
    let point = pair.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    json!({ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "bench", "x": x, "y": y }] })
        .to_string()
}

/// Tokens of the users from `first` on, one in ten an administrator.
fn tokens(key: &EncodingKey, first: u32, count: u32) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some("at+jwt".into());
    header.kid = Some("bench".into());
    let mut lines = String::new();
    for user in first..first + count {
        let claims = json!({
            "iss": "http://auth", "aud": "api", "client_id": "portcullis", "epoch": 0, "jti": format!("j{user}"),
            "sub": format!("00000000-0000-4000-8000-{user:012x}"), "sid": format!("10000000-0000-4000-8000-{user:012x}"),
            "email": format!("user{user}@example.com"), "role": if user % 10 == 0 { "ADMIN" } else { "USER" },
            "iat": now, "auth_time": now, "exp": now + 86_400, "amr": ["pwd"],
        });
        lines += &encode(&header, &claims, key)?;
        lines.push('\n');
    }
    Ok(lines)
}
