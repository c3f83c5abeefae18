//! Errors as clients see them: RFC 9457 `application/problem+json`, the same shape from every process.
//!
//! Owns the body, its headers and the list of stable [`codes`]. Knows no web framework, and nothing of why a
//! request failed: the text that goes in here is meant for the client.

pub mod codes;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

/// The media type of every error body (RFC 9457 section 3).
pub const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// One refused field of a 422 answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field's path in the body, such as `email` or `items[0].quantity`.
    pub field: String,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// An error answer, before it is bound to a request.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The status line.
    pub status: StatusCode,
    /// Stable and documented; clients branch on it. One of [`codes`].
    pub code: &'static str,
    /// What happened to this request, for people. Reveals nothing in a 5xx.
    pub detail: String,
    /// Filled for 422 only.
    pub errors: Vec<FieldError>,
    /// What this code says besides (RFC 9457, 3.2). None is named like a member that every problem has.
    pub members: Map<String, Value>,
    /// Sent besides the body's own: `WWW-Authenticate`, `Allow`, `Retry-After`, `Set-Cookie` …
    pub headers: HeaderMap,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(rename = "requestId")]
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

impl Problem {
    /// A problem without further headers or field errors.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            members: Map::new(),
            headers: HeaderMap::new(),
        }
    }

    /// Adds a header to the answer; one of the same name stays.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Names the refused fields.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Says something besides that belongs to the code, for programs.
    #[must_use]
    pub fn with_member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// The whole answer. `request_id` is the one under which the request stands in the logs.
    pub fn response(&self, request_id: &str) -> Response<Bytes> {
        let body = Body {
            r#type: format!("urn:portcullis:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id,
            errors: &self.errors,
            members: &self.members,
        };
        // Strings, numbers and lists of them: this cannot fail.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_rfc_9457_with_our_members() {
        let problem =
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_FIELDS, "Some fields are wrong.")
                .with_errors(vec![FieldError {
                    field: "email".into(),
                    code: "invalid",
                    message: "no @".into(),
                }]);
        let response = problem.response("r-1");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "type": "urn:portcullis:problem:invalid_fields", "title": "Unprocessable Entity", "status": 422,
                "detail": "Some fields are wrong.", "code": "invalid_fields", "requestId": "r-1",
                "errors": [{"field": "email", "code": "invalid", "message": "no @"}],
            })
        );
    }

    #[test]
    fn what_a_code_says_besides_stands_beside_the_rest() {
        let problem = Problem::new(StatusCode::FORBIDDEN, codes::MFA_REQUIRED, "A code is needed.")
            .with_member("expiresIn", 300)
            .with_member("methods", vec!["otp"]);
        let body: Value = serde_json::from_slice(problem.response("r").body()).unwrap();
        assert_eq!((&body["expiresIn"], &body["methods"]), (&300.into(), &serde_json::json!(["otp"])));
        assert_eq!((&body["code"], &body["status"]), (&"mfa_required".into(), &403.into()));
    }

    #[test]
    fn errors_are_left_out_when_there_are_none() {
        let response = Problem::new(StatusCode::NOT_FOUND, codes::NOT_FOUND, "Nothing here.").response("r");
        assert!(!String::from_utf8_lossy(response.body()).contains("errors"));
    }
}
