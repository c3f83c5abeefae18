//! The access token: a JWT that says who, in which session, in which epoch, and until when.
//!
//! The claims are those of `crates/access-token`, which only verifies; a test reads back here what it makes.

use std::time::Duration;

use access_token::FIRST_PARTY_CLIENT;
use secret::Secret;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::key_store::KeyStore;
use super::signing_key::UnusableKey;
use crate::accounts::{Role, UserId};
use crate::sessions::SessionId;

/// What every access token of this installation has in common.
#[derive(Debug, Clone)]
pub struct AccessTokens {
    /// `JWT_ISSUER`.
    pub issuer: String,
    /// `JWT_AUDIENCE`.
    pub audience: String,
    /// `JWT_ACCESS_TTL`. A token lives for less while its key does not say yet that its tokens live so long.
    pub lifetime: Duration,
}

/// Who is given a token, and by which login.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'a> {
    /// The account.
    pub user: UserId,
    /// Its e-mail address.
    pub email: &'a str,
    /// Its role.
    pub role: Role,
    /// The session.
    pub session: SessionId,
    /// The session's epoch.
    pub epoch: i32,
    /// When the user proved who they are.
    pub authenticated_at: OffsetDateTime,
    /// How they did.
    pub amr: &'a [String],
}

/// A token that was made.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The token.
    pub token: Secret<String>,
    /// How long it lives.
    pub lifetime: Duration,
}

/// Why no token could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotIssued {
    /// No key that this process can open signs yet.
    #[error("there is no signing key to use")]
    NoKey,
    /// The library refused.
    #[error("signing failed")]
    Signing(#[from] UnusableKey),
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: UserId,
    client_id: &'static str,
    sid: SessionId,
    epoch: i32,
    jti: Uuid,
    iat: i64,
    exp: i64,
    email: &'a str,
    role: Role,
    auth_time: i64,
    amr: &'a [String],
}

impl AccessTokens {
    /// Issues a token that is good from `now`, our time, for the lifetime; it says so in the database's.
    ///
    /// # Errors
    /// [`NotIssued`] while there is no key to sign with.
    pub fn issue(
        &self,
        keys: &KeyStore,
        grant: &Grant<'_>,
        now: OffsetDateTime,
    ) -> Result<Issued, NotIssued> {
        let signer = keys.signer(now).ok_or(NotIssued::NoKey)?;
        // A key is published until its last token is dead, and reckons with nothing that lives longer.
        let lifetime = self.lifetime.min(signer.label().times.token_lifetime);
        let claims = serde_json::to_vec(&self.claims(grant, keys.database_time(now), lifetime))
            .map_err(|_| UnusableKey)?;
        Ok(Issued { token: Secret::new(signer.sign(&claims)?), lifetime })
    }

    fn claims<'a>(&'a self, grant: &Grant<'a>, now: OffsetDateTime, lifetime: Duration) -> Claims<'a> {
        Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: grant.user,
            client_id: FIRST_PARTY_CLIENT,
            sid: grant.session,
            epoch: grant.epoch,
            jti: Uuid::now_v7(),
            iat: now.unix_timestamp(),
            exp: (now + lifetime).unix_timestamp(),
            email: grant.email,
            role: grant.role,
            auth_time: grant.authenticated_at.unix_timestamp(),
            amr: grant.amr,
        }
    }
}

#[cfg(test)]
mod tests {
    use access_token::{KeySet, Verification};
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};

    use super::*;
    use crate::tokens::key_store::Reading;
    use crate::tokens::rotation::KeyTimes;
    use crate::tokens::signing_key::{Algorithm, SigningKey};

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-24 12:00:00.75 UTC);

    fn tokens() -> AccessTokens {
        AccessTokens {
            issuer: "https://auth.example".to_owned(),
            audience: "portcullis".to_owned(),
            lifetime: Duration::from_secs(900),
        }
    }

    fn store(algorithm: Algorithm) -> KeyStore {
        store_of_a_replica(algorithm, time::Duration::ZERO)
    }

    /// How far the database's clock is ahead of the replica's.
    fn store_of_a_replica(algorithm: Algorithm, clock_ahead: time::Duration) -> KeyStore {
        let hour = Duration::from_secs(3600);
        let key = |signs_from| {
            let pkcs8 = SigningKey::generate(algorithm).unwrap();
            let times = KeyTimes { created_at: NOW, signs_from, token_lifetime: hour };
            SigningKey::from_pkcs8(algorithm, &pkcs8, times).unwrap()
        };
        let store = KeyStore::empty();
        let reading = Reading { at: std::time::Instant::now(), clock_ahead, good_for: hour, refused: 0 };
        store.replace(vec![key(NOW), key(NOW + time::Duration::DAY)], reading);
        store
    }

    fn grant(amr: &[String]) -> Grant<'_> {
        Grant {
            user: UserId::generate(),
            email: "ann@example.com",
            role: Role::Admin,
            session: SessionId::generate(),
            epoch: 3,
            authenticated_at: NOW - time::Duration::HOUR,
            amr,
        }
    }

    #[test]
    fn our_verifier_reads_back_every_claim() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let (store, amr) = (store(algorithm), ["pwd".to_owned()]);
            let grant = grant(&amr);
            let token = tokens().issue(&store, &grant, NOW).unwrap().token;
            let verification = Verification { issuer: tokens().issuer, audience: tokens().audience };
            let keys = KeySet::parse(&store.jwks()).unwrap();
            let claims = verification.verify(token.expose(), &keys, NOW.unix_timestamp()).unwrap();
            assert_eq!((claims.sub, claims.sid), (grant.user.to_string(), Some(grant.session.to_string())));
            assert_eq!((claims.client_id.as_str(), claims.epoch), (FIRST_PARTY_CLIENT, 3));
            assert_eq!((claims.iat, claims.exp - claims.iat), (NOW.unix_timestamp(), 900));
            assert_eq!(
                (claims.email.as_deref(), claims.role.as_deref()),
                (Some("ann@example.com"), Some("ADMIN"))
            );
            assert_eq!(claims.auth_time, Some(grant.authenticated_at.unix_timestamp()));
            assert_eq!((claims.amr, claims.scope, claims.nbf), (amr.to_vec(), None, None));
        }
    }

    #[test]
    fn anothers_library_accepts_it_through_the_published_keys() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let store = store(algorithm);
            let token = tokens().issue(&store, &grant(&[]), NOW).unwrap().token;
            let header = decode_header(token.expose()).unwrap();
            assert_eq!(header.typ.as_deref(), Some(access_token::TYPE));
            let keys: JwkSet = serde_json::from_slice(&store.jwks()).unwrap();
            let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
            let mut validation = Validation::new(header.alg);
            // It reads the clock by itself.
            validation.validate_exp = false;
            validation.set_issuer(&[tokens().issuer]);
            validation.set_audience(&[tokens().audience]);
            let claims = decode::<serde_json::Value>(token.expose(), &key, &validation).unwrap().claims;
            assert_eq!(claims["email"], "ann@example.com");
        }
    }

    #[test]
    fn a_key_signs_when_its_time_has_come_and_both_are_published() {
        let store = store(Algorithm::EdDsa);
        let first = store.signer(NOW).unwrap();
        let second = store.signer(NOW + time::Duration::DAY).unwrap();
        assert_ne!(first.kid(), second.kid());
        let jwks = String::from_utf8(store.jwks().to_vec()).unwrap();
        assert!(jwks.contains(first.kid()) && jwks.contains(second.kid()));
        assert!(store.signer(NOW - time::Duration::SECOND).is_none());
    }

    #[test]
    fn no_token_outlives_what_its_key_reckons_with() {
        let longer = AccessTokens { lifetime: Duration::from_secs(7200), ..tokens() };
        let issued = longer.issue(&store(Algorithm::EdDsa), &grant(&[]), NOW).unwrap();
        assert_eq!(issued.lifetime, Duration::from_secs(3600));
        let claims = issued.token.expose().split('.').nth(1).unwrap();
        let claims: serde_json::Value =
            serde_json::from_slice(&base64::Engine::decode(&BASE64, claims).unwrap()).unwrap();
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    }

    /// A replica that is fast would make tokens that outlive what is remembered of their session, and that are of the future.
    #[test]
    fn tokens_are_dated_by_the_databases_clock() {
        for ahead in [-90, -3, 0, 3, 90].map(time::Duration::seconds) {
            let store = store_of_a_replica(Algorithm::EdDsa, ahead);
            let issued = tokens().issue(&store, &grant(&[]), NOW - ahead).unwrap();
            let claims = issued.token.expose().split('.').nth(1).unwrap();
            let claims: serde_json::Value =
                serde_json::from_slice(&base64::Engine::decode(&BASE64, claims).unwrap()).unwrap();
            let now = NOW.unix_timestamp();
            assert_eq!(
                (claims["iat"].as_i64(), claims["exp"].as_i64()),
                (Some(now), Some(now + 900)),
                "{ahead}"
            );
        }
    }

    #[test]
    fn without_a_key_nothing_is_issued() {
        let none = tokens().issue(&KeyStore::empty(), &grant(&[]), NOW);
        assert!(matches!(none, Err(NotIssued::NoKey)));
        assert_eq!(KeyStore::empty().jwks(), r#"{"keys":[]}"#);
    }
}
