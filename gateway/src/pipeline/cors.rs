//! Which browser origins may call, answered here for every upstream (Fetch standard, CORS protocol).
//!
//! Upstreams' own opinions are removed: two policies on one door contradict each other sooner or later.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::canonical;

const EXPOSED: HeaderValue = HeaderValue::from_static("X-Request-Id, Retry-After, WWW-Authenticate");
const MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("600");

/// Answers of upstreams that the gateway gives instead.
const OWNED: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// The origins that may call with credentials.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    origins: Vec<HeaderValue>,
}

/// A preflight from an origin that may not call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("This origin may not call.")]
pub struct ForeignOrigin;

impl Cors {
    /// Compiles the configured origins.
    pub fn new(cors: &crate::config::Cors) -> Self {
        let origins = cors.origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok());
        Self { origins: origins.collect() }
    }

    /// Whether the request's origin may call.
    pub fn allows(&self, request: &HeaderMap) -> bool {
        origin(request).is_some_and(|origin| self.origins.contains(origin))
    }

    /// Whether a page of another origin, neither allowed nor the gateway's own, is behind the request. Without `Origin`
    /// there is no page.
    pub fn is_foreign(&self, request: &HeaderMap, https: bool) -> bool {
        let Some(origin) = request.get(ORIGIN) else { return false };
        let scheme = if https { "https" } else { "http" };
        let own = request.get(HOST).and_then(|host| Some(format!("{scheme}://{}", host.to_str().ok()?)));
        let is_own = own.is_some_and(|own| own.as_bytes().eq_ignore_ascii_case(origin.as_bytes()));
        let single = request.get_all(ORIGIN).iter().nth(1).is_none();
        !(self.allows(request) || (single && is_own))
    }

    /// The headers that answer a preflight (with 204); `None` when the request is none. [`Cors::decorate`] adds the
    /// rest.
    ///
    /// # Errors
    /// [`ForeignOrigin`].
    pub fn preflight(&self, request: &Parts) -> Result<Option<HeaderMap>, ForeignOrigin> {
        let headers = &request.headers;
        let asks = headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if request.method != Method::OPTIONS || !asks {
            return Ok(None);
        }
        if !self.allows(headers) {
            return Err(ForeignOrigin);
        }
        let mut answer = HeaderMap::new();
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, const { HeaderValue::from_static(canonical::ALLOW) });
        // With credentials `*` would mean a header of that name, so what was asked for is answered.
        if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS);
        answer.insert(VARY, const { HeaderValue::from_static("Access-Control-Request-Headers") });
        Ok(Some(answer))
    }

    /// Completes an answer, of an upstream or our own, errors included, to a request from this [`origin`].
    pub fn decorate(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        // Also without an origin: a cache must not give this answer to one.
        answer.append(VARY, const { HeaderValue::from_static("Origin") });
        if let Some(origin) = origin.filter(|origin| self.origins.contains(origin)) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, const { HeaderValue::from_static("true") });
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

/// Where the request says that it comes from. Remember it: [`Cors::decorate`] needs it when the request is gone.
pub fn origin(request: &HeaderMap) -> Option<&HeaderValue> {
    let mut sent = request.get_all(ORIGIN).iter();
    sent.next().filter(|_| sent.next().is_none())
}

/// Removes what an upstream says about origins. To be called on its answer before [`Cors::decorate`].
pub fn strip(answer: &mut HeaderMap) {
    for name in &OWNED {
        answer.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "http://localhost:3000";

    fn cors() -> Cors {
        Cors::new(&crate::config::Cors { origins: vec![APP.into(), "https://app.example.com".into()] })
    }

    fn parts(method: Method, headers: &[(HeaderName, &str)]) -> Parts {
        let request = http::Request::builder().method(method);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn check_allowed(origins: &[&str], expected: bool) {
        let headers = origins.iter().map(|origin| (ORIGIN, *origin)).collect::<Vec<_>>();
        let request = parts(Method::GET, &headers);
        assert_eq!(cors().allows(&request.headers), expected, "{origins:?}");
    }

    #[test]
    fn an_origin_is_compared_whole() {
        check_allowed(&[APP], true);
        for foreign in
            ["http://localhost:30000", "http://localhost", "https://localhost:3000", "null", "", "*"]
        {
            check_allowed(&[foreign], false);
        }
        check_allowed(&["HTTP://LOCALHOST:3000"], false);
        check_allowed(&["https://app.example.com.evil.example"], false);
        check_allowed(&[], false);
        check_allowed(&[APP, APP], false);
    }

    #[test]
    fn a_preflight_is_answered_here() {
        let asks = [
            (ORIGIN, APP),
            (ACCESS_CONTROL_REQUEST_METHOD, "POST"),
            (ACCESS_CONTROL_REQUEST_HEADERS, "x, y"),
        ];
        let answer = cors().preflight(&parts(Method::OPTIONS, &asks)).unwrap().unwrap();
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_METHODS], canonical::ALLOW);
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_HEADERS], "x, y");
        assert_eq!(answer[ACCESS_CONTROL_MAX_AGE], "600");
        let foreign = [(ORIGIN, "http://evil.example"), (ACCESS_CONTROL_REQUEST_METHOD, "POST")];
        assert_eq!(cors().preflight(&parts(Method::OPTIONS, &foreign)), Err(ForeignOrigin));
        assert_eq!(Cors::default().preflight(&parts(Method::OPTIONS, &asks)), Err(ForeignOrigin));
    }

    #[test]
    fn other_requests_are_no_preflight() {
        for (method, headers) in [
            (Method::OPTIONS, vec![(ORIGIN, APP)]),
            (Method::OPTIONS, vec![(ACCESS_CONTROL_REQUEST_METHOD, "POST")]),
            (Method::POST, vec![(ORIGIN, APP), (ACCESS_CONTROL_REQUEST_METHOD, "POST")]),
        ] {
            assert_eq!(cors().preflight(&parts(method, &headers)), Ok(None));
        }
    }

    #[test]
    fn every_answer_to_an_allowed_origin_says_so() {
        let mut answer = HeaderMap::from_iter([(VARY, HeaderValue::from_static("Accept-Encoding"))]);
        let origin = HeaderValue::from_static(APP);
        cors().decorate(Some(&origin), &mut answer);
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], APP);
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert_eq!(answer[ACCESS_CONTROL_EXPOSE_HEADERS], "X-Request-Id, Retry-After, WWW-Authenticate");
        let vary: Vec<_> = answer.get_all(VARY).iter().collect();
        assert_eq!(vary, ["Accept-Encoding", "Origin"]);
    }

    #[test]
    fn no_answer_speaks_to_a_foreign_origin() {
        for origin in [None, Some(&HeaderValue::from_static("https://evil.example"))] {
            let mut answer = HeaderMap::new();
            cors().decorate(origin, &mut answer);
            assert_eq!(answer, HeaderMap::from_iter([(VARY, HeaderValue::from_static("Origin"))]));
        }
        let mut answer = HeaderMap::new();
        Cors::default().decorate(None, &mut answer);
        assert!(answer.is_empty());
    }

    #[test]
    fn an_upstreams_opinion_is_removed() {
        let mut answer: HeaderMap =
            OWNED.into_iter().map(|name| (name, HeaderValue::from_static("*"))).collect();
        strip(&mut answer);
        assert!(answer.is_empty());
    }
}
