//! The client itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::builder::Builder;
use crate::error::CallError;
use crate::introspection::{Answer, Introspection};
use crate::token::{AccessToken, Given, TokenCache};
use crate::transport::Transport;
use crate::verifier::Verifier;

/// One internal service, known to the auth service by its id and secret. Cheap to clone; all copies share one token.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Arc<Transport>,
    scope: Arc<str>,
    token: Arc<TokenCache>,
}

/// RFC 6749, section 5.1.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: u64,
}

impl Client {
    /// A client of the auth service at `base_url`, with what `auth-service clients create` printed.
    #[must_use]
    pub fn builder(
        base_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Builder {
        Builder::new(base_url.into(), client_id.into(), client_secret.into())
    }

    pub(crate) fn new(transport: Arc<Transport>, scope: String) -> Self {
        Self { transport, scope: scope.into(), token: Arc::default() }
    }

    /// A token of our own that is good: the one there is, or a new one once four fifths of its life are over. However many
    /// ask at once, the auth service is asked once. While it is away, the token there is serves until its end.
    ///
    /// # Errors
    /// [`CallError`] when there is no token and none can be had.
    pub async fn token(&self) -> Result<AccessToken, CallError> {
        self.token.get(async || self.fetch().await).await
    }

    /// Forgets a token that a service refused with 401: the secret was rotated, or the clock was set. The next
    /// [`Client::token`] fetches another.
    pub fn forget(&self, token: &AccessToken) {
        self.token.forget(token);
    }

    /// Asks the auth service what a token is worth at this moment (RFC 7662). Needs the scope `introspect`.
    ///
    /// # Errors
    /// [`CallError`]; a token that is worth nothing is no error.
    pub async fn introspect(&self, token: &str) -> Result<Introspection, CallError> {
        self.transport.ask::<Answer>("/oauth/introspect", &[("token", token)]).await.map(Introspection::from)
    }

    /// Ends the session that a user's access or refresh token belongs to (RFC 7009). Needs the scope `revoke`. That it had
    /// ended before, or never was one, is no error; an access token that has expired ends nothing.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn revoke(&self, token: &str) -> Result<(), CallError> {
        self.transport.post("/oauth/revoke", &[("token", token)]).await.map(drop)
    }

    /// Verifies others' tokens with the keys that the auth service publishes: `issuer` and `audience` are its `JWT_ISSUER` and
    /// `JWT_AUDIENCE`. Make one and keep it.
    #[must_use]
    pub fn verifier(&self, issuer: &str, audience: &str) -> Verifier {
        Verifier::with(Arc::clone(&self.transport), issuer, audience)
    }

    async fn fetch(&self) -> Result<Given, CallError> {
        let mut form = vec![("grant_type", "client_credentials")];
        if !self.scope.is_empty() {
            form.push(("scope", &self.scope));
        }
        let asked = Instant::now();
        let TokenAnswer { access_token, expires_in } = self.transport.ask("/oauth/token", &form).await?;
        Ok(Given { token: AccessToken::new(access_token), asked, lifetime: Duration::from_secs(expires_in) })
    }
}
