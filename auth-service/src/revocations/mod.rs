//! What must stop working before it expires, and how every gateway comes to know: the entries, the cursor, and the feed that
//! a replica keeps in memory.
//!
//! Knows neither axum nor diesel. The contract is `docs/revocations.md`.

pub mod announcer;
pub mod cursor;
pub mod entries;
pub mod events;
pub mod feed;
pub mod revocation;
pub mod subscriber;

pub use announcer::Announcer;
pub use cursor::{Cursor, Incarnation};
pub use feed::{Feed, News};
pub use revocation::{Revocation, Subject};
