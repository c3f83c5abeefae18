//! HTTPS in production: what plain HTTP is answered with, and the header that keeps browsers from trying.

use http::header::{AUTHORIZATION, COOKIE, HOST, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use process::Mode;

use super::canonical::{Path, host_name};
use super::client::Client;

/// RFC 6797: a year. Sub-domains are not ours to speak for.
pub const HSTS: (HeaderName, HeaderValue) =
    (http::header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));

/// A request that came unencrypted where that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Insecure {
    /// Harmless so far: the client is sent to the same place over HTTPS.
    #[error("This is served over HTTPS only.")]
    Redirect(HeaderValue),
    /// It carried a secret or wants to change something: a redirect would only hide that the secret is out.
    #[error("This is served over HTTPS only; what was sent in clear may have been read.")]
    Refused,
}

/// Lets a request pass if it is encrypted or need not be. The path is canonical and `Host` is checked.
///
/// # Errors
/// [`Insecure`], in production only.
pub fn require(mode: Mode, client: &Client, parts: &Parts, path: Path<'_>) -> Result<(), Insecure> {
    if client.https || !mode.is_production() {
        return Ok(());
    }
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    // A browser's websocket has its token among the subprotocols.
    let secrets = [AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL];
    let credentials = secrets.iter().any(|name| parts.headers.contains_key(name));
    let location = if reads && !credentials { location(parts, path) } else { None };
    Err(location.map_or(Insecure::Refused, Insecure::Redirect))
}

/// Whether an answer to this client carries [`HSTS`].
pub const fn wants_hsts(mode: Mode, client: &Client) -> bool {
    mode.is_production() && client.https
}

fn location(parts: &Parts, path: Path<'_>) -> Option<HeaderValue> {
    let host = host_name(parts.headers.get(HOST)?.to_str().ok()?)?;
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    HeaderValue::try_from(format!("https://{host}{}{query}", path.as_str())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::canonical;

    fn client(https: bool) -> Client {
        Client { address: [192, 0, 2, 1].into(), https, behind_proxy: false }
    }

    fn check(
        mode: Mode,
        https: bool,
        method: Method,
        secret: Option<HeaderName>,
        expected: Result<(), &str>,
    ) {
        let request =
            http::Request::builder().method(method).uri("/a?b=%20c").header(HOST, "app.example.com:80");
        let request = secret.into_iter().fold(request, |request, name| request.header(name, "x"));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let path = canonical::path(parts.uri.path()).unwrap();
        let answer = require(mode, &client(https), &parts, path).map_err(|error| match error {
            Insecure::Redirect(location) => location.to_str().unwrap().to_owned(),
            Insecure::Refused => "refused".to_owned(),
        });
        assert_eq!(answer, expected.map_err(str::to_owned));
    }

    #[test]
    fn plain_http_in_production() {
        let location = "https://app.example.com/a?b=%20c";
        check(Mode::Production, false, Method::GET, None, Err(location));
        check(Mode::Production, false, Method::HEAD, None, Err(location));
        check(Mode::Production, false, Method::GET, Some(COOKIE), Err("refused"));
        check(Mode::Production, false, Method::GET, Some(AUTHORIZATION), Err("refused"));
        check(Mode::Production, false, Method::GET, Some(SEC_WEBSOCKET_PROTOCOL), Err("refused"));
        check(Mode::Production, false, Method::POST, None, Err("refused"));
        check(Mode::Production, false, Method::OPTIONS, None, Err("refused"));
        check(Mode::Production, true, Method::POST, Some(COOKIE), Ok(()));
        check(Mode::Development, false, Method::POST, Some(COOKIE), Ok(()));
    }

    #[test]
    fn hsts_is_for_encrypted_answers_in_production() {
        assert!(wants_hsts(Mode::Production, &client(true)));
        assert!(!wants_hsts(Mode::Production, &client(false)));
        assert!(!wants_hsts(Mode::Development, &client(true)));
    }
}
