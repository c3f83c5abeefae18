//! Stage one: a request that can be read in one way only, or none.
//!
//! Owns the canonical path, used for matching, authorising and forwarding alike, and what a request line, a `Host`
//! and the framing headers must look like. Ambiguous input is refused, never repaired: two readers that repair
//! differently are how access rules are walked around. What hyper has normalised already is not parsed again.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, ORIGIN, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Version};

mod escapes;
mod http2;

pub use http2::flatten;

/// The methods that are routed. All others, `CONNECT` and `TRACE` among them, are refused.
pub const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// The same, as `Allow` has it.
pub const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// A path that can be read in one way only: it begins with `/`, and no segment but the last is empty or means
/// anything but itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path<'r>(&'r str);

impl<'r> Path<'r> {
    /// The path as it was sent and will be forwarded.
    pub const fn as_str(&self) -> &'r str {
        self.0
    }

    /// The path for a server that cuts `;…` off each segment; none if there is nothing to cut.
    pub fn without_parameters(&self) -> Option<String> {
        escapes::without_parameters(self.0)
    }

    /// The path for a server that decodes it and parses it again: what stands before an encoded `?` or `#`.
    pub fn before_encoded_query(&self) -> Option<&'r str> {
        escapes::find_encoded(self.0, &["3f", "23"]).map(|at| &self.0[..at])
    }
}

/// Why a request is not canonical. The messages are shown to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what its variant means")]
pub enum NotCanonical {
    #[error("This method is not supported.")]
    Method,
    #[error("The request target must be a path.")]
    Form,
    #[error("The path contains a character that must be percent-encoded.")]
    RawByte,
    #[error("The path contains an empty segment.")]
    EmptySegment,
    #[error("The path contains a dot segment.")]
    DotSegment,
    #[error("The path contains an encoded slash, backslash or NUL.")]
    EncodedSeparator,
    #[error("The path encodes a character that needs no encoding.")]
    NeedlessEscape,
    #[error("The path is percent-encoded over and over.")]
    NestedEscapes,
    #[error("A percent sign is not followed by two hexadecimal digits.")]
    BrokenEscape,
    #[error("The path does not decode to UTF-8.")]
    NotUtf8,
    #[error("The query contains a character that must be percent-encoded.")]
    RawQueryByte,
    #[error("Exactly one Host header is needed.")]
    Host,
    #[error("This host is not served here.")]
    UnknownHost,
    #[error("This connection was opened for another host.")]
    Misdirected,
    #[error("More than one Authorization header was sent.")]
    Authorizations,
    #[error("This Transfer-Encoding is not supported.")]
    TransferEncoding,
    #[error("This expectation cannot be met.")]
    Expectation,
    #[error("The Connection header names what it may not name.")]
    Connection,
    #[error("An upgrade to HTTP/2 is not supported.")]
    Upgrade,
}

/// How many headers `Connection` may name: more than a head may have, so that taking them out is little work.
const MOST_NAMED: usize = 128;

/// Takes out what `Connection` names, before anything reads a header: it is meant for this hop only, so neither a
/// stage nor an upstream may act on it.
///
/// # Errors
/// [`NotCanonical::Connection`] when it names what only the gateway writes or what it decides by, names too much, or
/// cannot be read.
pub fn drop_connection_headers(headers: &mut HeaderMap) -> Result<(), NotCanonical> {
    let mut named = Vec::new();
    for value in headers.get_all(CONNECTION) {
        let names = value.to_str().map_err(|_| NotCanonical::Connection)?.split(',').map(str::trim);
        for name in names.filter(|name| !["", "close", "keep-alive"].contains(name)) {
            let name = may_be_named(name).filter(|_| named.len() < MOST_NAMED);
            named.push(name.ok_or(NotCanonical::Connection)?);
        }
    }
    for name in named.iter().filter(|name| **name != UPGRADE) {
        headers.remove(name);
    }
    Ok(())
}

/// Without its framing headers, its host, or what says who is calling from where, a request would be another one: a
/// garbage token would become no token.
fn may_be_named(name: &str) -> Option<HeaderName> {
    const ESSENTIAL: [HeaderName; 6] =
        [HOST, TRANSFER_ENCODING, CONTENT_LENGTH, AUTHORIZATION, COOKIE, ORIGIN];
    let header = HeaderName::from_bytes(name.as_bytes()).ok()?;
    (!ESSENTIAL.contains(&header) && identity::family(name).is_none()).then_some(header)
}

/// Checks the request line, the host and the framing. `hosts` as in the configuration; none means any.
///
/// # Errors
/// The first [`NotCanonical`] that applies.
pub fn request<'r>(parts: &'r Parts, hosts: &[String]) -> Result<Path<'r>, NotCanonical> {
    if !METHODS.contains(&parts.method) {
        return Err(NotCanonical::Method);
    }
    let path = target(parts)?;
    check_host(&parts.headers, hosts)?;
    check_framing(parts)?;
    Ok(path)
}

fn target(parts: &Parts) -> Result<Path<'_>, NotCanonical> {
    let target = parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
    if parts.uri.scheme().is_some() || parts.uri.authority().is_some() || !target.starts_with('/') {
        return Err(NotCanonical::Form);
    }
    let path = path(parts.uri.path())?;
    parts.uri.query().map_or(Ok(()), escapes::check_query)?;
    Ok(path)
}

/// Checks a path alone.
///
/// # Errors
/// The first [`NotCanonical`] that applies.
pub fn path(text: &str) -> Result<Path<'_>, NotCanonical> {
    if !text.starts_with('/') {
        return Err(NotCanonical::Form);
    }
    let (mut previous, mut doubtful) = (0, false);
    for &byte in text.as_bytes() {
        match byte {
            b'/' if previous == b'/' => return Err(NotCanonical::EmptySegment),
            b'.' if previous == b'/' => doubtful = true,
            b'%' => doubtful = true,
            _ if !escapes::is_path_byte(byte) => return Err(NotCanonical::RawByte),
            _ => {}
        }
        previous = byte;
    }
    if doubtful {
        escapes::check_path(text)?;
    }
    Ok(Path(text))
}

/// Exactly one `Host`, of a form that can be copied anywhere, and one of ours.
fn check_host(headers: &HeaderMap, hosts: &[String]) -> Result<(), NotCanonical> {
    let mut values = headers.get_all(HOST).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(NotCanonical::Host);
    };
    let name = value.to_str().ok().and_then(host_name).ok_or(NotCanonical::Host)?;
    if hosts.is_empty() || hosts.iter().any(|host| host.eq_ignore_ascii_case(name)) {
        Ok(())
    } else {
        Err(NotCanonical::UnknownHost)
    }
}

/// The name in a `Host` value, without port and without the dot of the root. `None` for what is no host.
pub fn host_name(value: &str) -> Option<&str> {
    let bracket = if value.starts_with('[') { value.find(']')? + 1 } else { 0 };
    let end = value[bracket..].find(':').map_or(value.len(), |colon| bracket + colon);
    let (name, port) = value.split_at(end);
    let port = port.strip_prefix(':').unwrap_or("0");
    let name_is_good = if bracket > 0 {
        bracket == end && name[1..end - 1].parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    (name_is_good && !name.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()))
        .then_some(name)
}

fn check_framing(parts: &Parts) -> Result<(), NotCanonical> {
    let headers = &parts.headers;
    let is = |value: &[u8], word: &str| value.trim_ascii().eq_ignore_ascii_case(word.as_bytes());
    if headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
        return Err(NotCanonical::Authorizations);
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next()
        && (parts.version < Version::HTTP_11 || codings.next().is_some() || !is(coding.as_bytes(), "chunked"))
    {
        return Err(NotCanonical::TransferEncoding);
    }
    if headers.get_all(EXPECT).iter().any(|expected| !is(expected.as_bytes(), "100-continue")) {
        return Err(NotCanonical::Expectation);
    }
    if members(headers, UPGRADE).any(|protocol| protocol.eq_ignore_ascii_case("h2c")) {
        return Err(NotCanonical::Upgrade);
    }
    Ok(())
}

/// The members of a comma-separated header, over all its lines. A line that is not ASCII is one empty member.
pub(super) fn members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests;
