//! A client that means harm, on real sockets: one file for each of the gateway's ten rules, and what floods do.
//!
//! Every case is tried on a public, an optional and a protected route, and whatever reaches the upstream there is
//! read strictly, byte by byte, and must name exactly the true caller.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's preparation fails the test")]

mod cache;
mod connection;
mod default_deny;
mod doubt;
mod endings;
mod flood;
mod forger;
mod framing;
mod http2;
mod identity_headers;
mod key_sets;
#[cfg(target_os = "linux")]
mod memory;
mod recorder;
#[path = "../sockets/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "shared with `sockets`, which uses the rest")]
mod support;
mod targets;
mod tokens;
mod upgrades;
mod wire;
mod world;
