//! The refresh token of a request, found in cookies or in the body, and whether it may come that way.
//!
//! Everything here happens before the database is asked.

use axum::http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::origin::{AllowedOrigins, OriginRefused};
use super::refresh_cookie::RefreshCookie;
use crate::sessions::Delivery;
use crate::tokens::{RefreshKeys, RefreshToken};

/// The body of refresh and logout. A browser sends none.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenBody {
    /// The token of a session that was opened with `"tokenDelivery":"body"`.
    pub refresh_token: Option<String>,
}

/// Why a request has no refresh token that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    /// None was sent.
    #[error("there is no refresh token in this request")]
    Missing,
    /// None of ours, or one that may not travel like this.
    #[error("the refresh token is not valid")]
    Invalid,
    /// Two cookies are valid and belong to different sessions: one of them was planted, and nobody knows which.
    #[error("two refresh cookies of different sessions were sent; both have been deleted")]
    Ambiguous,
    /// A cookie came from a page that may not use it.
    #[error(transparent)]
    Origin(#[from] OriginRefused),
}

/// Finds refresh tokens in requests.
pub struct TokenFinder<'a> {
    /// Opens tokens.
    pub keys: &'a RefreshKeys,
    /// Names the cookie.
    pub cookie: &'a RefreshCookie,
    /// Whose pages may send it.
    pub origins: &'a AllowedOrigins,
}

impl TokenFinder<'_> {
    /// The one token that the request stands on.
    ///
    /// # Errors
    /// [`NoToken`] says why there is none.
    pub fn find(&self, headers: &HeaderMap, body: &TokenBody) -> Result<RefreshToken, NoToken> {
        let cookies = self.cookie.values(headers);
        if !cookies.is_empty() {
            self.origins.check_cookie_post(headers)?;
        }
        match &body.refresh_token {
            Some(text) => self.open(text, Delivery::Body).ok_or(NoToken::Invalid),
            None if cookies.is_empty() => Err(NoToken::Missing),
            None => self.pick(&cookies),
        }
    }

    /// Garbled cookies beside a good one are ignored; of two of the same session the newer counts.
    fn pick(&self, cookies: &[&str]) -> Result<RefreshToken, NoToken> {
        let opened: Vec<_> = cookies.iter().filter_map(|text| self.open(text, Delivery::Cookie)).collect();
        let newest = opened.iter().max_by_key(|token| token.generation).ok_or(NoToken::Invalid)?;
        if opened.iter().any(|token| token.session_id != newest.session_id) {
            return Err(NoToken::Ambiguous);
        }
        Ok(*newest)
    }

    fn open(&self, text: &str, delivery: Delivery) -> Option<RefreshToken> {
        self.keys.open(text).ok().filter(|token| token.delivery == delivery)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use secret::Secret;

    use super::super::refresh_cookie::SameSite;
    use super::*;
    use crate::sessions::SessionId;
    use crate::tokens::{Nonce, RootSecrets};

    struct Fixture {
        keys: RefreshKeys,
        cookie: RefreshCookie,
        origins: AllowedOrigins,
    }

    impl Fixture {
        fn new() -> Self {
            Self {
                keys: RefreshKeys::new(&RootSecrets::new(&Secret::new(vec![7; 32]), &[])),
                cookie: RefreshCookie { secure: false, domain: None, same_site: SameSite::Strict },
                origins: AllowedOrigins::new(["https://shop.example".to_owned()]),
            }
        }

        fn issue(&self, token: &RefreshToken) -> String {
            self.keys.issue(token).expose().clone()
        }

        /// What a page of ours gets for these cookies and this body.
        fn find(&self, cookies: &[&str], body: Option<&str>) -> Result<RefreshToken, NoToken> {
            let mut headers = HeaderMap::from_iter([(
                "origin".parse().unwrap(),
                HeaderValue::from_static("https://shop.example"),
            )]);
            for cookie in cookies {
                headers.append("cookie", format!("refresh_token={cookie}").parse().unwrap());
            }
            self.find_from(&headers, body)
        }

        fn find_from(&self, headers: &HeaderMap, body: Option<&str>) -> Result<RefreshToken, NoToken> {
            let finder = TokenFinder { keys: &self.keys, cookie: &self.cookie, origins: &self.origins };
            finder.find(headers, &TokenBody { refresh_token: body.map(str::to_owned) })
        }
    }

    fn session(delivery: Delivery) -> RefreshToken {
        RefreshToken::first(SessionId::generate(), delivery, Nonce::generate())
    }

    #[test]
    fn a_good_cookie_is_found_beside_garbled_ones() {
        let fixture = Fixture::new();
        let token = session(Delivery::Cookie);
        let text = fixture.issue(&token);
        assert_eq!(fixture.find(&[&text], None), Ok(token));
        assert_eq!(fixture.find(&["", "garbled", &text, &text[1..]], None), Ok(token));
        assert_eq!(fixture.find(&["garbled"], None), Err(NoToken::Invalid));
        assert_eq!(fixture.find(&[], None), Err(NoToken::Missing));
    }

    #[test]
    fn of_two_tokens_of_one_session_the_newer_counts() {
        let fixture = Fixture::new();
        let (older, newer) = (session(Delivery::Cookie), session(Delivery::Cookie));
        let newer = RefreshToken { generation: 3, ..newer };
        let older_of_same = newer.at_generation(2);
        let texts = [newer, older_of_same, older].map(|token| fixture.issue(&token));
        assert_eq!(fixture.find(&[&texts[1], &texts[0]], None), Ok(newer));
        assert_eq!(fixture.find(&[&texts[0], &texts[2]], None), Err(NoToken::Ambiguous));
    }

    #[test]
    fn a_token_travels_only_as_its_session_was_opened() {
        let fixture = Fixture::new();
        let (by_cookie, by_body) = (session(Delivery::Cookie), session(Delivery::Body));
        let (cookie_text, body_text) = (fixture.issue(&by_cookie), fixture.issue(&by_body));
        assert_eq!(fixture.find(&[], Some(&body_text)), Ok(by_body));
        assert_eq!(fixture.find(&[], Some(&cookie_text)), Err(NoToken::Invalid));
        assert_eq!(fixture.find(&[&body_text], None), Err(NoToken::Invalid));
        assert_eq!(fixture.find(&[&cookie_text], Some(&cookie_text)), Err(NoToken::Invalid));
    }

    #[test]
    fn a_cookie_from_elsewhere_is_not_even_read() {
        let fixture = Fixture::new();
        let text = fixture.issue(&session(Delivery::Cookie));
        let headers = HeaderMap::from_iter([(
            "cookie".parse().unwrap(),
            format!("refresh_token={text}").parse().unwrap(),
        )]);
        assert_eq!(fixture.find_from(&headers, None), Err(NoToken::Origin(OriginRefused)));
    }
}
