//! One answer, and what is wrong with it.

use http::{HeaderMap, Method, StatusCode};

/// An answer, and the request that it answers.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's path, with or without a query.
    pub path: &'a str,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The whole body; `None` when it has no end.
    pub body: Option<&'a [u8]>,
}

/// How an answer breaks its document.
#[derive(Debug, thiserror::Error)]
#[error("{request} was answered {status}, and {reason}; the body was: {body}")]
pub struct Breach {
    pub(crate) request: String,
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
    pub(crate) body: String,
}

impl Answer<'_> {
    pub(crate) fn breach(&self, reason: String) -> Breach {
        let request = format!("{} {}", self.method, self.path);
        let body = self.body.map(String::from_utf8_lossy).unwrap_or_default().chars().take(600).collect();
        Breach { request, status: self.status, reason, body }
    }

    pub(crate) fn media_type(&self) -> Option<&str> {
        let value = self.headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
        value.split(';').next().map(str::trim)
    }
}
