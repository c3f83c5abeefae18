//! The auth service's tables, one file each. diesel lives here and nowhere else.
//!
//! Functions take the pool and answer with the rules' types; rows never leave this folder. A statement that a request
//! waits for on every refresh or login is a `QueryFragment` of its own, because diesel prepares those once per
//! connection and a `sql_query` on every call.

pub mod administration;
pub mod audit;
pub mod audit_trail;
pub mod bootstrap;
pub mod clients;
mod columns;
pub mod demo_accounts;
pub mod epochs;
pub mod job_lock;
pub mod login;
pub mod mail_tokens;
pub mod notifications;
pub mod outbox;
pub mod purge;
pub mod registration;
pub mod revocations;
mod schema;
pub mod schema_version;
pub mod second_factors;
pub mod sessions;
pub mod signing_keys;
mod statement;
#[cfg(test)]
mod tests;
pub mod throttles;
pub mod transfer;
pub mod users;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

/// The migrations that this binary was built for.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/auth");
