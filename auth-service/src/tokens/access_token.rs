//! The access token: a JWT that says who, in which session, in which epoch, and until when.
//!
//! The claims are those of `crates/access-token`, which only verifies; a test reads back here what it makes.

use std::time::Duration;

use secret::Secret;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::key_store::KeyStore;
use super::signing_key::UnusableKey;
use crate::accounts::{Role, UserId};
use crate::sessions::SessionId;

/// The client of the first-party frontend (RFC 9068 wants one named).
pub const FIRST_PARTY_CLIENT: &str = "portcullis";

/// What every access token of this installation has in common.
#[derive(Debug, Clone)]
pub struct AccessTokens {
    /// `JWT_ISSUER`.
    pub issuer: String,
    /// `JWT_AUDIENCE`.
    pub audience: String,
    /// `JWT_ACCESS_TTL`.
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
    /// Issues a token that is good from `now` for the lifetime.
    ///
    /// # Errors
    /// [`NotIssued`] while there is no key to sign with.
    pub fn issue(
        &self,
        keys: &KeyStore,
        grant: &Grant<'_>,
        now: OffsetDateTime,
    ) -> Result<Secret<String>, NotIssued> {
        let signer = keys.signer(now).ok_or(NotIssued::NoKey)?;
        let claims = serde_json::to_vec(&self.claims(grant, now)).map_err(|_| UnusableKey)?;
        Ok(Secret::new(signer.sign(&claims)?))
    }

    fn claims<'a>(&'a self, grant: &Grant<'a>, now: OffsetDateTime) -> Claims<'a> {
        Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: grant.user,
            client_id: FIRST_PARTY_CLIENT,
            sid: grant.session,
            epoch: grant.epoch,
            jti: Uuid::now_v7(),
            iat: now.unix_timestamp(),
            exp: (now + self.lifetime).unix_timestamp(),
            email: grant.email,
            role: grant.role,
            auth_time: grant.authenticated_at.unix_timestamp(),
            amr: grant.amr,
        }
    }
}
