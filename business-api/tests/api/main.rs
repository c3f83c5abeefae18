//! The orders API: its router in process and its binary, each test on a database of its own.
#![expect(clippy::unwrap_used, reason = "tests")]

mod app;
mod document;
mod idempotency;
mod identity;
mod orders;
mod outage;
mod process;
mod races;
mod schema;
