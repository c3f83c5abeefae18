//! How a client is put together.

use std::sync::Arc;
use std::time::Duration;

use access_token::is_client_id;
use reqwest::Url;
use reqwest::redirect::Policy;
use secret::Secret;

use crate::client::Client;
use crate::transport::Transport;

/// How long a call may take, and how long a connection.
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a call is repeated that was not served.
const RETRIES: u32 = 2;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The base address is none.
    #[error("the auth service's address must be like https://auth.internal:8081, without query or user")]
    Address,
    /// The secret would travel in the clear.
    #[error(
        "the auth service is asked over https://, or Builder::allow_plaintext or Verifier::over_plaintext says that the way there is private"
    )]
    Plaintext,
    /// No client has such an id.
    #[error("{0:?} is no client id")]
    ClientId(String),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}

/// Settings of a [`Client`] before it is made. All have a default.
#[derive(Debug)]
pub struct Builder {
    base: String,
    id: String,
    secret: Secret<String>,
    scopes: Vec<String>,
    timeout: Duration,
    connect_timeout: Duration,
    retries: u32,
    plaintext: bool,
    http: Option<reqwest::Client>,
}

impl Builder {
    pub(crate) fn new(base: String, id: String, secret: String) -> Self {
        Self {
            base,
            id,
            secret: Secret::new(secret),
            scopes: Vec::new(),
            timeout: TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            retries: RETRIES,
            plaintext: false,
            http: None,
        }
    }

    /// Asks for this scope too. Without any, tokens have all that the client is registered with.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// How long one attempt at a call may take (5 s).
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long making a connection may take (2 s).
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How often a call is repeated that reached nobody, or a service that said when to come back (2).
    #[must_use]
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Allows `http://` to another machine, for networks that encrypt by themselves. To this machine it is always allowed.
    #[must_use]
    pub const fn allow_plaintext(mut self) -> Self {
        self.plaintext = true;
        self
    }

    /// Uses this HTTP client, for certificates of one's own; timeouts are then its. It should follow no redirects.
    #[must_use]
    pub fn http(mut self, http: reqwest::Client) -> Self {
        self.http = Some(http);
        self
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`BuildError`]
    pub fn build(self) -> Result<Client, BuildError> {
        if !is_client_id(&self.id) {
            return Err(BuildError::ClientId(self.id));
        }
        let base = base(&self.base, self.plaintext)?;
        let http = self.http.map_or_else(|| http(self.timeout, self.connect_timeout), Ok)?;
        let credentials = Some((self.id, self.secret));
        let transport = Transport { http, base, credentials, retries: self.retries };
        Ok(Client::new(Arc::new(transport), self.scopes.join(" ")))
    }
}

/// The address without a slash at its end.
pub(crate) fn base(text: &str, plaintext: bool) -> Result<String, BuildError> {
    let url: Url = text.parse().map_err(|_| BuildError::Address)?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !plain || url.password().is_some() || !url.has_host() {
        return Err(BuildError::Address);
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if plaintext || is_this_machine(&url) => Ok(()),
        "http" => Err(BuildError::Plaintext),
        _ => Err(BuildError::Address),
    }?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// No redirects: they would take the secret along. No proxy from the environment, for the same reason.
pub(crate) fn http(timeout: Duration, connect_timeout: Duration) -> Result<reqwest::Client, BuildError> {
    reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(connect_timeout)
        .redirect(Policy::none())
        .no_proxy()
        .build()
        .map_err(BuildError::Http)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_travels_encrypted_or_not_at_all() {
        let check = |address: &str, plaintext, expected: Option<&str>| {
            assert_eq!(base(address, plaintext).ok().as_deref(), expected, "{address}");
        };
        check("https://auth.internal:8081/", false, Some("https://auth.internal:8081"));
        check("https://proxy.internal/auth/", false, Some("https://proxy.internal/auth"));
        check("http://127.0.0.1:8081", false, Some("http://127.0.0.1:8081"));
        check("http://localhost:8081", false, Some("http://localhost:8081"));
        check("http://[::1]:8081", false, Some("http://[::1]:8081"));
        check("http://auth.internal:8081", false, None);
        check("http://127.0.0.1.evil.example", false, None);
        check("http://auth.internal:8081", true, Some("http://auth.internal:8081"));
        for wrong in
            ["", "auth.internal", "ftp://auth", "https://u:p@auth", "https://auth?x=1", "https://auth#x"]
        {
            check(wrong, true, None);
        }
    }

    #[test]
    fn nothing_shows_the_secret() {
        let builder = Client::builder("https://auth", "billing", "portcullis_cs_x");
        assert!(!format!("{builder:?}").contains("portcullis_cs"));
        let client = builder.build().unwrap();
        assert!(!format!("{client:?}").contains("portcullis_cs"), "{client:?}");
        let refused = Client::builder("https://auth", "portcullis", "x").build();
        assert!(matches!(refused, Err(BuildError::ClientId(_))));
    }
}
