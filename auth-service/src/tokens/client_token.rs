//! The access token of a client: about itself, for what it may do, without a session.

use std::time::Duration;

use secret::Secret;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::access_token::{AccessTokens, Issued, NotIssued};
use super::key_store::KeyStore;
use super::signing_key::UnusableKey;

/// Which client is given a token.
#[derive(Debug, Clone, Copy)]
pub struct ClientGrant<'a> {
    /// Its name.
    pub client: &'a str,
    /// What the token is good for.
    pub scope: Option<&'a str>,
    /// The client's epoch.
    pub epoch: i32,
    /// How long the token may live, if the secret that it is given for does not live as long as tokens do.
    pub at_most: Option<Duration>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    epoch: i32,
    jti: Uuid,
    iat: i64,
    exp: i64,
}

impl AccessTokens {
    /// Issues a token that is good from `now`, our time, for the lifetime; it says so in the database's.
    ///
    /// # Errors
    /// [`NotIssued`] while there is no key to sign with.
    pub fn issue_to_client(
        &self,
        keys: &KeyStore,
        grant: &ClientGrant<'_>,
        now: OffsetDateTime,
    ) -> Result<Issued, NotIssued> {
        let signer = keys.signer(now).ok_or(NotIssued::NoKey)?;
        let longest = self.lifetime.min(signer.label().times.token_lifetime);
        let lifetime = grant.at_most.map_or(longest, |at_most| longest.min(at_most));
        let dated = keys.database_time(now);
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: grant.client,
            client_id: grant.client,
            scope: grant.scope,
            epoch: grant.epoch,
            jti: Uuid::now_v7(),
            iat: dated.unix_timestamp(),
            exp: (dated + lifetime).unix_timestamp(),
        };
        let claims = serde_json::to_vec(&claims).map_err(|_| UnusableKey)?;
        Ok(Issued { token: Secret::new(signer.sign(&claims)?), lifetime })
    }
}
