//! The gateway on real sockets: a client that may send anything, upstreams and an issuer in this process.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's preparation fails the test")]

mod bodies;
mod connections;
mod cors;
mod forwarding;
mod grpc;
mod header_rules;
mod http2;
mod http2_losses;
mod http2_upstreams;
mod outages;
mod overload;
mod proxy_protocol;
mod rates;
mod refusals;
mod reload;
mod resilience;
mod revocations;
mod stopping;
mod support;
mod timeouts;
mod tls;
mod tokens;
mod tracing;
mod upstreams;
mod verify;
mod websockets;
