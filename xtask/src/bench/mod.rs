//! `cargo xtask bench …`: what Portcullis costs, measured beside what it is compared with. docs/benchmarks.md tells how.

mod auth;
mod flood;
mod gateway;
mod import;
mod load;
mod logins;
mod report;
mod usage;

use std::process::ExitCode;

use anyhow::Result;

/// What can be measured.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// Refreshes through the gateway, beside pgbench of the bare statement on the same server.
    Auth(auth::Arguments),
    /// Requests through the gateway, beside HAProxy, nginx, Envoy, Traefik and Caddy.
    Gateway(gateway::Arguments),
    /// People who come from another system: memory and time, also of an export.
    Import(import::Arguments),
    /// Logins beside bare hashes, and what they and refreshes do to each other.
    Logins(logins::Arguments),
}

/// Measures and prints.
pub(crate) fn run(bench: &Bench) -> Result<ExitCode> {
    match bench {
        Bench::Auth(arguments) => auth::run(arguments),
        Bench::Gateway(arguments) => gateway::run(arguments),
        Bench::Import(arguments) => import::run(arguments),
        Bench::Logins(arguments) => logins::run(arguments),
    }
}
