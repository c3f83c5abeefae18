//! The refresh cookie: its name and attributes, how it is set and deleted, and how it is found among others.

use axum::http::header::{COOKIE, InvalidHeaderValue};
use axum::http::{HeaderMap, HeaderValue};

/// Where the cookie goes when its name does not say `/` already.
const PATH: &str = "/api/auth";

/// Every `Path` with which a cookie reaches refresh or logout (RFC 6265, 5.1.4).
const REACHING_PATHS: [&str; 7] =
    [PATH, "/", "/api", "/api/", "/api/auth/", "/api/auth/refresh", "/api/auth/logout"];

/// Which cross-site requests carry the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// None.
    Strict,
    /// Top-level navigations.
    Lax,
    /// All; for a frontend on another site. The origin rule then stands alone.
    None,
}

/// How the operator wants the cookie.
#[derive(Debug, Clone)]
pub struct RefreshCookie {
    /// Over HTTPS only; always so in production.
    pub secure: bool,
    /// Shared with this domain and all below it; otherwise only the very host that set it gets it back.
    pub domain: Option<String>,
    /// Which cross-site requests carry it.
    pub same_site: SameSite,
}

impl RefreshCookie {
    /// The name. The prefixes make browsers refuse the cookie when somebody else's page or a sibling host tries to plant one.
    pub fn name(&self) -> &'static str {
        match (self.secure, &self.domain) {
            (true, None) => "__Host-refresh_token",
            (true, Some(_)) => "__Secure-refresh_token",
            (false, _) => "refresh_token",
        }
    }

    /// `Set-Cookie` for a token that works for `max_age` more seconds.
    pub fn set(&self, token: &str, max_age: u64) -> Result<HeaderValue, InvalidHeaderValue> {
        self.line(token, self.path(), self.domain.as_deref(), max_age)
    }

    /// The `Set-Cookie` lines that make a browser forget every cookie of this name that reaches us, also those that
    /// somebody gave another path.
    pub fn delete(&self) -> Vec<HeaderValue> {
        let paths: &[&str] = if self.is_bound_to_host() { &["/"] } else { &REACHING_PATHS };
        let domains = std::iter::once(None).chain(self.domain.as_deref().map(Some));
        // The settings let only host names in as a domain, so no line is lost.
        domains
            .flat_map(|domain| paths.iter().filter_map(move |path| self.line("", path, domain, 0).ok()))
            .collect()
    }

    /// The values of all cookies of this name, in the order in which they came.
    pub fn values<'h>(&self, headers: &'h HeaderMap) -> Vec<&'h str> {
        let pairs =
            headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        pairs.filter_map(|pair| value_of(self.name(), pair)).collect()
    }

    fn line(
        &self,
        value: &str,
        path: &str,
        domain: Option<&str>,
        max_age: u64,
    ) -> Result<HeaderValue, InvalidHeaderValue> {
        let name = self.name();
        let same_site = self.same_site.as_str();
        let mut line =
            format!("{name}={value}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite={same_site}");
        if self.secure {
            line.push_str("; Secure");
        }
        if let Some(domain) = domain {
            line.push_str("; Domain=");
            line.push_str(domain);
        }
        HeaderValue::try_from(line)
    }

    fn path(&self) -> &'static str {
        if self.is_bound_to_host() { "/" } else { PATH }
    }

    fn is_bound_to_host(&self) -> bool {
        self.secure && self.domain.is_none()
    }
}

impl SameSite {
    fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

/// The value in `name=value` (RFC 6265, 4.1.1: perhaps in quotes). What is not ASCII is no token of ours: it comes back as
/// a text that is none either, so that it counts as a garbled cookie and not as an absent one.
fn value_of<'p>(name: &str, pair: &'p [u8]) -> Option<&'p str> {
    let value =
        pair.trim_ascii().strip_prefix(name.as_bytes())?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    Some(std::str::from_utf8(unquoted).unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(secure: bool, domain: Option<&str>) -> RefreshCookie {
        RefreshCookie { secure, domain: domain.map(str::to_owned), same_site: SameSite::Strict }
    }

    #[test]
    fn each_mode_has_its_name_and_attributes() {
        let check = |secure, domain, expected: &str| {
            assert_eq!(cookie(secure, domain).set("TOKEN", 60).unwrap(), expected);
        };
        check(
            true,
            None,
            "__Host-refresh_token=TOKEN; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure",
        );
        check(
            true,
            Some("shop.example"),
            "__Secure-refresh_token=TOKEN; Path=/api/auth; Max-Age=60; HttpOnly; SameSite=Strict; Secure; Domain=shop.example",
        );
        check(false, None, "refresh_token=TOKEN; Path=/api/auth; Max-Age=60; HttpOnly; SameSite=Strict");
    }

    #[test]
    fn deleting_reaches_the_same_name_under_other_paths_and_domains() {
        let paths = |cookie: RefreshCookie| {
            let lines = cookie.delete();
            assert!(lines.iter().all(|line| line.to_str().unwrap().contains("Max-Age=0")), "{lines:?}");
            lines.len()
        };
        assert_eq!(paths(cookie(true, None)), 1);
        assert_eq!(paths(cookie(false, None)), 7);
        assert_eq!(paths(cookie(true, Some("shop.example"))), 14);
    }

    #[test]
    fn the_cookie_is_found_among_others_and_never_under_another_name() {
        let check = |lines: &[&[u8]], expected: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
            }
            assert_eq!(cookie(false, None).values(&headers), expected, "{lines:?}");
        };
        check(&[], &[]);
        check(&[b"refresh_token=abc"], &["abc"]);
        check(&[b"theme=dark; refresh_token=abc; lang=de"], &["abc"]);
        check(&[b"refresh_token=abc;refresh_token=def", b"refresh_token=\"ghi\""], &["abc", "def", "ghi"]);
        check(&[b"xrefresh_token=abc; refresh_tokenx=abc; __Host-refresh_token=abc; REFRESH_TOKEN=abc"], &[]);
        check(&[b"refresh_token; =abc; ;;"], &[]);
        check(&[b"refresh_token="], &[""]);
        check(&[b"refresh_token=\xff\xfe"], &[""]);
    }
}
