//! A gateway with everything around it: a client that speaks raw HTTP, upstreams in this process, an issuer of tokens.

mod client;
mod feed;
mod gateway;
mod issuer;
mod load;
mod process;
mod upstream;

pub(crate) use client::{Answer, Client};
pub(crate) use feed::{Feed, later};
pub(crate) use gateway::{Gateway, IDENTITY_KEY, Setup};
pub(crate) use issuer::Issuer;
pub(crate) use load::Load;
pub(crate) use process::GatewayProcess;
pub(crate) use upstream::{Seen, Upstream, full};
