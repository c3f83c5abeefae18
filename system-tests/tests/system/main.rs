//! Every flow through the real processes.
#![expect(clippy::unwrap_used, reason = "tests")]

mod administration;
mod attacks;
mod bootstrap;
mod clients;
mod crashes;
mod database_away;
mod documents;
mod dump;
mod epochs;
mod flows;
mod hostile_input;
mod identity_boundary;
mod import;
mod mail;
mod refresh;
mod revocation;
mod rotation;
mod schemathesis;
mod second_factor;
mod settings;
mod shutdown;
mod statements;
mod throttling;
mod tls;
mod tokens;
