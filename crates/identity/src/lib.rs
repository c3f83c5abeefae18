//! The contract between the gateway and every service behind it: which headers say who is calling, and the
//! RFC 9421 signature that makes them trustworthy. `docs/identity.md` states it in words and
//! `docs/vectors/identity.json` in examples.
//!
//! It knows header maps and bytes. It must not know a server, a runtime, a token or a clock: times are passed in.

mod caller;
mod encoding;
mod family;
mod keys;
mod message;
pub mod names;
mod sign;
mod signature_fields;
mod verify;

pub use caller::{CLIENT_PREFIX, Caller, Client, SERVICE_ROLE, User};
pub use encoding::{InvalidEncoding, decode, encode};
pub use family::{Family, family};
pub use keys::{RootKey, UpstreamKey};
pub use message::Message;
pub use sign::{Signature, Signer};
pub use verify::{Refusal, Verifier};
