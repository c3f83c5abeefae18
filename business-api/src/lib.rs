//! The orders API: how a service lives behind the gateway. It is meant to be copied.
//!
//! Start at [`routes`], which shows every path on one screen. A handler in [`http`] loads an order through [`db`],
//! lets a rule in [`orders`] decide, writes and answers. Who is calling comes from `identity-axum`; no token is
//! parsed here.

pub mod config;
pub mod db;
pub mod error;
pub mod http;
pub mod orders;
pub mod readiness;
pub mod routes;
