//! Answers that no cache may keep.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, HeaderName};

/// `Cache-Control: no-store`.
pub const NO_STORE: [(HeaderName, HeaderValue); 1] = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
