//! Other proxies ask the gateway whether a request may pass: the five real ones with the files of
//! `deploy/forward-auth/`, in front of an upstream that believes only the gateway's signature.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's preparation fails the test")]

mod cases;
mod proxies;
#[path = "../hostile/recorder.rs"]
#[expect(dead_code, reason = "shared with `hostile`, which uses the rest")]
mod recorder;
#[path = "../sockets/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "shared with `sockets`, which uses the rest")]
mod support;
#[path = "../hostile/wire.rs"]
#[expect(dead_code, reason = "shared with `hostile`, which uses the rest")]
mod wire;
