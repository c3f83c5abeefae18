//! The house rules that both of our axum services keep at their HTTP boundary: bodies, lists, errors, deadlines,
//! metrics, graceful stop, and the document that describes all of it.
//!
//! Knows axum. Knows no route, no table and no rule of either service.

pub mod document;
mod failure;
mod json;
mod metrics;
mod observe;
mod once_a_second;
mod page;
mod serve;

pub use failure::Failure;
pub use json::Json;
pub use metrics::HttpMetrics;
pub use observe::{DEADLINE, finish};
pub use page::{Cursor, Page, PageBody};
pub use serve::{PeerAddress, serve};

/// The largest body that a service reads.
pub const MAX_BODY_BYTES: usize = 16 * 1024;
