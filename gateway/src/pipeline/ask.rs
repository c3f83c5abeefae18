//! Forward-auth: another proxy asks whether it may pass a request on, and what to tell the upstream.
//!
//! Owns how the request that is asked about is restored from the question, and how the decision is answered. What is
//! decided is left to the very stages that a proxied request goes through. The headers read here are believed only of
//! a peer in `trusted_proxies`, on the listener that is for this.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HOST, HeaderValue};
use http::request::Parts;
use http::uri::{InvalidUri, PathAndQuery};
use http::{HeaderMap, HeaderName, Method, Response, Uri};
use identity::names;

use super::body::ResponseBody;
use super::client::Client;

/// Where a proxy asks. Traefik, Caddy, nginx and HAProxy name the request in headers; Envoy puts its path behind this
/// one, and keeps its method.
pub const PATH: &str = "/verify";

static FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
static FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// The body of a refusal once more: nginx reads no body of an answer to `auth_request`, but its headers.
static PROBLEM: HeaderName = HeaderName::from_static("x-problem");

/// What the upstream is told, all of it in every answer: what is copied from it leaves nothing of the client's.
static TOLD: [&HeaderName; 10] = [
    &names::REQUEST_ID,
    &names::FORWARDED_FOR,
    &names::FORWARDED_PROTO,
    &names::FORWARDED_HOST,
    &names::USER_ID,
    &names::USER_EMAIL,
    &names::USER_ROLE,
    &names::SESSION_ID,
    &names::SIGNATURE_INPUT,
    &names::SIGNATURE,
];

/// Why a question is none. The messages are for whoever sets up the proxy that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadQuestion {
    /// Not one of `trusted_proxies`.
    #[error("Only a trusted proxy may ask.")]
    Stranger,
    /// Another path, or a question at [`PATH`] itself without its headers.
    #[error("Ask at /verify, with the request's X-Forwarded-Method, X-Forwarded-Uri and X-Forwarded-Host.")]
    Incomplete,
    /// A header that is there twice, or is no method, target or host.
    #[error("The request that is asked about cannot be read.")]
    Unreadable,
}

/// Whether this peer may ask at all.
///
/// # Errors
/// [`BadQuestion::Stranger`].
pub const fn admit(client: &Client) -> Result<(), BadQuestion> {
    if client.behind_proxy { Ok(()) } else { Err(BadQuestion::Stranger) }
}

/// Turns the question into the request that it is about. Its body, if it had one, is not part of the question.
///
/// # Errors
/// [`BadQuestion`]; the request is then half restored and good for nothing.
pub fn restore(parts: &mut Parts) -> Result<(), BadQuestion> {
    let asked = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let rest = asked.strip_prefix(PATH).ok_or(BadQuestion::Incomplete)?;
    if rest.starts_with('/') {
        parts.uri = target(rest)?;
    } else if !rest.is_empty() && !rest.starts_with('?') {
        return Err(BadQuestion::Incomplete);
    } else {
        let method = one(&parts.headers, &FORWARDED_METHOD)?;
        parts.method = Method::from_bytes(method.as_bytes()).map_err(|_| BadQuestion::Unreadable)?;
        parts.uri =
            target(one(&parts.headers, &FORWARDED_URI)?.to_str().map_err(|_| BadQuestion::Unreadable)?)?;
        let host = one(&parts.headers, &names::FORWARDED_HOST)?.clone();
        parts.headers.insert(HOST, host);
    }
    parts.headers.remove(CONTENT_LENGTH);
    Ok(())
}

fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h HeaderValue, BadQuestion> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(BadQuestion::Incomplete),
        (Some(_), Some(_)) => Err(BadQuestion::Unreadable),
    }
}

/// As a request line would have been read; whether it is canonical is for the first stage to say. A fragment would be
/// cut off here, while the proxy may pass it on: `/open#/../guarded`.
fn target(text: &str) -> Result<Uri, BadQuestion> {
    if text.contains('#') {
        return Err(BadQuestion::Unreadable);
    }
    text.parse().map_err(|_: InvalidUri| BadQuestion::Unreadable)
}

/// The answer that lets the request pass, from the headers that an upstream would have got.
pub fn answer(identified: &HeaderMap) -> Response<ResponseBody> {
    let mut answer = Response::new(ResponseBody::empty());
    let headers = answer.headers_mut();
    for name in TOLD {
        headers.insert(name, identified.get(name).cloned().unwrap_or(const { HeaderValue::from_static("") }));
    }
    headers.insert(CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
    answer
}

/// A refusal, for a proxy that may know only its headers.
pub fn refusal(mut refused: Response<Bytes>) -> Response<Bytes> {
    // JSON on one line; control characters are escaped in it.
    if let Ok(problem) = HeaderValue::from_bytes(refused.body()) {
        refused.headers_mut().insert(&PROBLEM, problem);
    }
    refused
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn question(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = Request::builder().method(method).uri(uri).header(HOST, "gateway");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn check(uri: &str, headers: &[(&str, &str)], expected: Result<(&str, &str, &str), BadQuestion>) {
        let mut parts = question("PUT", uri, headers);
        let restored = restore(&mut parts);
        let host = || parts.headers[HOST].to_str().unwrap();
        let seen = restored.map(|()| (parts.method.as_str(), parts.uri.to_string(), host()));
        assert_eq!(
            seen,
            expected.map(|(method, uri, host)| (method, uri.to_owned(), host)),
            "{uri} {headers:?}"
        );
    }

    const METHOD: (&str, &str) = ("x-forwarded-method", "POST");
    const URI: (&str, &str) = ("x-forwarded-uri", "/a?b=%20");
    const ASKED: (&str, &str) = ("x-forwarded-host", "app.example.com");

    #[test]
    fn the_request_is_restored_from_headers() {
        check("/verify", &[METHOD, URI, ASKED], Ok(("POST", "/a?b=%20", "app.example.com")));
        check("/verify?x", &[METHOD, URI, ASKED], Ok(("POST", "/a?b=%20", "app.example.com")));
    }

    #[test]
    fn the_request_is_restored_from_the_path() {
        check("/verify/a/b?c", &[], Ok(("PUT", "/a/b?c", "gateway")));
        // What a client may have sent along decides nothing.
        check("/verify/a", &[METHOD, URI, ASKED], Ok(("PUT", "/a", "gateway")));
        check("/verify//a", &[], Ok(("PUT", "//a", "gateway")));
    }

    #[test]
    fn what_is_no_question_is_refused() {
        check("/verify", &[], Err(BadQuestion::Incomplete));
        check("/verify", &[METHOD, ASKED], Err(BadQuestion::Incomplete));
        check("/verify", &[METHOD, URI], Err(BadQuestion::Incomplete));
        check("/api", &[METHOD, URI, ASKED], Err(BadQuestion::Incomplete));
        check("/verifya", &[METHOD, URI, ASKED], Err(BadQuestion::Incomplete));
        check("/verify", &[METHOD, METHOD, URI, ASKED], Err(BadQuestion::Unreadable));
        check("/verify", &[METHOD, URI, URI, ASKED], Err(BadQuestion::Unreadable));
        check("/verify", &[METHOD, URI, ASKED, ASKED], Err(BadQuestion::Unreadable));
        check("/verify", &[METHOD, ("x-forwarded-uri", "a b"), ASKED], Err(BadQuestion::Unreadable));
        check("/verify", &[METHOD, ("x-forwarded-uri", "/a#/../b"), ASKED], Err(BadQuestion::Unreadable));
        check("/verify", &[METHOD, ("x-forwarded-uri", "/a?#b"), ASKED], Err(BadQuestion::Unreadable));
        check("/verify", &[("x-forwarded-method", "G T"), URI, ASKED], Err(BadQuestion::Unreadable));
    }

    #[test]
    fn everything_is_told_even_if_empty() {
        let headers: HeaderMap =
            [(names::USER_ID.clone(), HeaderValue::from_static("u-1"))].into_iter().collect();
        let answer = answer(&headers);
        assert_eq!(answer.headers().len(), TOLD.len() + 1);
        assert_eq!(answer.headers()[&names::USER_ID], "u-1");
        assert_eq!(answer.headers()[&names::USER_ROLE], "");
    }
}
