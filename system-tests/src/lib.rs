//! The whole of Portcullis as a test sees it: real processes on a real PostgreSQL, spoken to through the gateway.
//!
//! It knows the binaries by name, their settings and the public API; it links none of their code.

#![expect(clippy::expect_used, reason = "a test's preparation fails the test, and says why")]

mod actor;
mod contract;
mod machine;
mod stack;

pub use actor::{Actor, PASSWORD};
pub use machine::{Options, Server};
pub use stack::{JWT_SECRET, ORIGIN, Stack};
