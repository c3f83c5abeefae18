//! Stage four: which token a request presents. Whether it is good is decided by `access-token` and the key set.
//!
//! A route that reads no token never looks at one, and a route that reads tokens never takes a bad one for none.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::config::Access;

/// Why a request is not authenticated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// No `Authorization`, on a route that needs one.
    #[error("This request needs an access token.")]
    Missing,
    /// `Authorization` in another scheme.
    #[error("Only Bearer tokens are accepted.")]
    Scheme,
    /// `Bearer` with anything but one token.
    #[error("The Authorization header holds no Bearer token.")]
    Garbled,
    /// The token was read and is not accepted.
    #[error("The access token is not accepted: {0}.")]
    Refused(#[from] access_token::Refusal),
    /// The token was good once.
    #[error("The access token is not accepted: it has been revoked.")]
    Revoked,
}

/// The token to verify, if the route reads one and the request has one. That there is at most one `Authorization` is
/// settled by [`super::canonical`].
///
/// # Errors
/// [`Unauthenticated`], never for a public route.
pub fn presented<'h>(access: &Access, headers: &'h HeaderMap) -> Result<Option<&'h str>, Unauthenticated> {
    if *access == Access::Public {
        return Ok(None);
    }
    match headers.get(AUTHORIZATION) {
        Some(value) => {
            let value = std::str::from_utf8(value.as_bytes()).map_err(|_| Unauthenticated::Garbled)?;
            bearer(value).map(Some)
        }
        None if *access == Access::Optional => Ok(None),
        None => Err(Unauthenticated::Missing),
    }
}

/// `Bearer` SP `b64token` (RFC 6750 section 2.1); the scheme in any case.
fn bearer(value: &str) -> Result<&str, Unauthenticated> {
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Unauthenticated::Scheme);
    }
    let token = token.trim_matches(' ');
    // Every byte is looked at, whatever those before it were: so the compiler takes many at once.
    let is_token = token.bytes().fold(!token.is_empty(), |good, byte| good & is_token_byte(byte));
    if is_token { Ok(token) } else { Err(Unauthenticated::Garbled) }
}

/// `ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" / "="`, without a branch.
const fn is_token_byte(byte: u8) -> bool {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let is_between_dash_and_nine = byte.wrapping_sub(b'-') <= b'9' - b'-';
    is_letter | is_between_dash_and_nine | (byte == b'+') | (byte == b'=') | (byte == b'_') | (byte == b'~')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(access: &Access, value: Option<&str>, expected: Result<Option<&str>, Unauthenticated>) {
        let value = value.map(|value| (AUTHORIZATION, HeaderValue::try_from(value).unwrap()));
        let headers: HeaderMap = value.into_iter().collect();
        assert_eq!(presented(access, &headers), expected, "{access:?} {headers:?}");
    }

    #[test]
    fn a_token_is_made_of_what_the_rfc_says() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
            assert_eq!(is_token_byte(byte), expected, "{byte:#x}");
        }
    }

    #[test]
    fn public_routes_read_nothing() {
        for value in [None, Some("Bearer a.b.c"), Some("Basic x"), Some("Bearer")] {
            check(&Access::Public, value, Ok(None));
        }
    }

    #[test]
    fn optional_means_absent_or_good() {
        check(&Access::Optional, None, Ok(None));
        check(&Access::Optional, Some("Bearer a.b.c"), Ok(Some("a.b.c")));
        check(&Access::Optional, Some("Basic dTpw"), Err(Unauthenticated::Scheme));
        check(&Access::Optional, Some(""), Err(Unauthenticated::Scheme));
        check(&Access::Optional, Some("Bearer "), Err(Unauthenticated::Garbled));
    }

    #[test]
    fn every_other_route_needs_a_token() {
        let roles = Access::Roles(vec!["ADMIN".into()]);
        for access in [Access::Authenticated, roles, Access::Clients(vec!["reports".into()])] {
            check(&access, None, Err(Unauthenticated::Missing));
            check(&access, Some("bEARER  a.b.c "), Ok(Some("a.b.c")));
            check(&access, Some("Bearer"), Err(Unauthenticated::Garbled));
            check(&access, Some("Bearer a b"), Err(Unauthenticated::Garbled));
            check(&access, Some("Bearer a,b"), Err(Unauthenticated::Garbled));
            check(&access, Some("Bearer\ta"), Err(Unauthenticated::Scheme));
            check(&access, Some("Bearer é"), Err(Unauthenticated::Garbled));
            check(&access, Some("Bearera.b.c"), Err(Unauthenticated::Scheme));
        }
    }
}
