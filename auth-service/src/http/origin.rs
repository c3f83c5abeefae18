//! Which pages may use the refresh cookie: the defence against cross-site requests that does not rest on `SameSite`.

use std::collections::HashSet;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, ORIGIN};

/// Browsers say here how the page relates to the server; scripts cannot set it.
pub const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origins of our own frontends, exactly as browsers write them.
#[derive(Debug, Clone, Default)]
pub struct AllowedOrigins(HashSet<String>);

/// The request comes from a page that is not one of ours, or does not say where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this request must come from an allowed origin")]
pub struct OriginRefused;

impl AllowedOrigins {
    /// The list as [`crate::config`] checked it.
    pub fn new(origins: impl IntoIterator<Item = String>) -> Self {
        Self(origins.into_iter().collect())
    }

    /// For a POST that a cookie authenticates: a present `Origin` decides; without one the browser itself must call the
    /// request same-origin. Neither is a refusal, since a client that is no browser has no cookie.
    pub fn check_cookie_post(&self, headers: &HeaderMap) -> Result<(), OriginRefused> {
        if headers.contains_key(ORIGIN) {
            return self.check_if_present(headers);
        }
        let sites: Vec<_> = headers.get_all(SEC_FETCH_SITE).iter().collect();
        if sites == ["same-origin"] { Ok(()) } else { Err(OriginRefused) }
    }

    /// For a POST that brings its own proof: `Origin` need not be there, but if it is it must be ours.
    pub fn check_if_present(&self, headers: &HeaderMap) -> Result<(), OriginRefused> {
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Ok(()),
            (Some(origin), None) if self.contains(origin.as_bytes()) => Ok(()),
            (Some(_), _) => Err(OriginRefused),
        }
    }

    fn contains(&self, origin: &[u8]) -> bool {
        std::str::from_utf8(origin).is_ok_and(|origin| self.0.contains(origin))
    }
}

/// Whether a browser sent this.
pub fn comes_from_a_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.contains_key(SEC_FETCH_SITE)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn check(pairs: &[(&'static str, &'static str)], with_cookie: bool, without: bool) {
        let allowed = AllowedOrigins::new(["https://shop.example".to_owned()]);
        let headers = headers(pairs);
        assert_eq!(allowed.check_cookie_post(&headers).is_ok(), with_cookie, "with a cookie: {pairs:?}");
        assert_eq!(allowed.check_if_present(&headers).is_ok(), without, "without: {pairs:?}");
    }

    #[test]
    fn a_present_origin_decides() {
        check(&[("origin", "https://shop.example")], true, true);
        check(&[("origin", "https://shop.example"), ("sec-fetch-site", "cross-site")], true, true);
        check(&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")], false, false);
        for foreign in [
            "null",
            "",
            "https://shop.example:8443",
            "http://shop.example",
            "https://shop.example/",
            "https://SHOP.example",
        ] {
            check(&[("origin", foreign)], false, false);
        }
        check(&[("origin", "https://shop.example"), ("origin", "https://shop.example")], false, false);
    }

    #[test]
    fn without_an_origin_a_cookie_needs_the_browsers_word() {
        check(&[("sec-fetch-site", "same-origin")], true, true);
        for site in ["same-site", "cross-site", "none", "Same-Origin"] {
            check(&[("sec-fetch-site", site)], false, true);
        }
        check(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], false, true);
        check(&[], false, true);
    }
}
