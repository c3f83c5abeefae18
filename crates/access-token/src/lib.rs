//! The access token: the contract between the auth service, which signs it, and everyone who verifies it.
//!
//! Owns the claims, the key set and the verification, all of it without IO and without a clock: `now` is passed
//! in. It verifies only; whoever mints tokens is not here.

mod claims;
mod client_id;
mod encoding;
mod header;
mod key_set;
mod unique;
mod verify;

pub use claims::{Audience, Claims};
pub use client_id::{FIRST_PARTY_CLIENT, MAX_CLIENT_ID_BYTES, is_client_id};
pub use key_set::{KeySet, KeySetError};
pub use verify::{Refusal, Verification, key_id};

/// The `typ` of every access token (RFC 9068 section 2.1).
pub const TYPE: &str = "at+jwt";

/// The longest token that is looked at.
pub const MAX_BYTES: usize = 8 * 1024;

/// How far `iat` may lie ahead of the verifier's clock.
pub const ISSUED_AT_LEEWAY_SECONDS: i64 = 5;
