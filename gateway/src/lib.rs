//! The gateway as a library, so that tests and the command line reach its stages one by one.
//!
//! [`config`] turns one TOML file and the environment into a checked [`config::Config`]; [`pipeline`] holds the
//! stages of a request, in the order in which `gateway.rs` calls them; [`commands`] are the operator's tools.

pub mod cli;
pub mod commands;
pub mod config;
pub mod error;
pub mod gateway;
pub mod pipeline;
pub mod rates;
pub mod runtime;
pub mod tokens;
pub mod under_way;
pub mod upstream;
