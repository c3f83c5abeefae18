//! What must stop working before it expires, and how every gateway comes to know: the entries, the cursor, and the feed that
//! a replica keeps in memory.
//!
//! Knows neither axum nor diesel. The contract is `docs/revocations.md`.

pub mod announcer;

pub use announcer::Announcer;
