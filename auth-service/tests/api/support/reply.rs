//! One answer, read to its end.

use axum::body::{Body, to_bytes};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::Value;
use test_support::SetCookie;

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a whole body").to_vec();
        Self { status: parts.status, headers: parts.headers, body }
    }

    /// The reply itself, if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// The reply itself, if it is a problem with this status and code, as `docs/errors.md` has it.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        let reply = self.expect(status);
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        let body = reply.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["requestId"].as_str(), reply.header("x-request-id"), "{body}");
        reply
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// A text in the body, such as `accessToken`.
    #[track_caller]
    pub(crate) fn text(&self, field: &str) -> String {
        let body = self.json();
        body[field].as_str().unwrap_or_else(|| panic!("no {field} in {body}")).to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn set_cookies(&self) -> Vec<SetCookie> {
        let lines = self.headers.get_all(SET_COOKIE).iter();
        lines.map(|line| SetCookie::parse(line.to_str().expect("ASCII")).expect("a cookie")).collect()
    }

    /// Whether the browser is told to forget the cookie.
    pub(crate) fn deletes_cookie(&self) -> bool {
        let cookies = self.set_cookies();
        !cookies.is_empty() && cookies.iter().all(SetCookie::deletes)
    }

    /// The `field: code` pairs of a 422.
    pub(crate) fn field_errors(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().expect("errors").iter();
        errors
            .map(|error| {
                format!(
                    "{}: {}",
                    error["field"].as_str().expect("a field"),
                    error["code"].as_str().expect("a code")
                )
            })
            .collect()
    }
}
