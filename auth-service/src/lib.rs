//! The auth service: the only one that issues, rotates and revokes tokens.
//!
//! `routes → http → {rules, db}`: the rules (`accounts`, `sessions`, `throttle`, `tokens`) know neither axum nor diesel.

pub mod accounts;
pub mod app;
pub mod cli;
pub mod clients;
pub mod commands;
pub mod config;
pub mod db;
pub mod error;
pub mod http;
pub mod jobs;
pub mod mail;
pub mod metrics;
pub mod preparation;
pub mod readiness;
pub mod revocations;
pub mod routes;
pub mod second_factor;
pub mod sessions;
pub mod throttle;
pub mod tokens;
