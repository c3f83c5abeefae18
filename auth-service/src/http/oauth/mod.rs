//! What internal services ask of the auth service itself, past the gateway: tokens of their own, and what others' are worth.
//!
//! Callers are known by their client's secret. Nothing here looks at the gateway's headers, and the caller's address is the
//! connection's.

mod authenticate;
mod credentials;
pub mod error;
mod form;
pub mod introspect;
pub mod metadata;
mod peer;
mod refusals;
pub mod revoke;
mod subject;
pub mod token;

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, HeaderName, PRAGMA};

/// On every answer, errors too (RFC 6749, section 5.1).
const NOT_STORED: [(HeaderName, HeaderValue); 2] =
    [(CACHE_CONTROL, HeaderValue::from_static("no-store")), (PRAGMA, HeaderValue::from_static("no-cache"))];
