//! The stages of a request, one module each: pure functions of the request, the configuration and `now`.
//!
//! No stage but `forward` does IO, and none reads the clock.

pub mod ask;
pub mod authenticate;
pub mod authorize;
pub mod body;
pub mod canonical;
pub mod client;
pub mod cors;
pub mod forward;
pub mod https;
pub mod identify;
pub mod limit;
pub mod match_route;
pub mod observe;
pub mod principal;
pub mod rehearse;
pub mod rewrite;
pub mod strip;
pub mod trace;
pub mod upgrade;
