//! What an axum service behind the gateway imports: a layer that lets only the gateway's requests in, extractors
//! for who is calling, and a layer that asks for a role.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use identity::{UpstreamKey, Verifier};
//! use identity_axum::{CurrentClient, CurrentUser, require_role, verify};
//!
//! # fn app(key: UpstreamKey) -> Router {
//! Router::new()
//!     .route("/api/admin/reports", get(async || "for administrators").layer(require_role("ADMIN")))
//!     .route("/api/reports", get(async |user: CurrentUser| format!("for {}", user.id)))
//!     .route("/api/services/reports", get(async |client: CurrentClient| format!("for the service {}", client.id)))
//!     .layer(verify(Verifier::new("reports", vec![key])))
//! # }
//! ```
//!
//! It knows no database and no token: what the headers say, once verified, is all there is.

mod extract;
mod layers;
mod rejection;

pub use extract::{Caller, CallerSlot, CurrentClient, CurrentUser};
pub use layers::{IdentityLayer, require_role, verify};
pub use rejection::Rejection;
