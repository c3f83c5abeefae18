//! The auth service's API as its clients see it: the router in process, every request through the real signed identity
//! headers, a real database per test.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test's preparation fails the test, and says why"
)]

mod admin_accounts;
mod admin_users;
mod audit;
mod bad_input;
mod bootstrap;
mod document;
mod jwks;
mod keys;
mod login;
mod logout;
mod logout_all;
mod mail;
mod me;
mod metrics;
mod oauth;
mod outages;
mod overlaps;
mod password;
mod process;
mod purge;
mod refresh;
mod register;
mod replicas;
mod reset;
mod revocations;
mod second_factor;
mod second_step;
mod sessions;
mod signature;
mod statements;
mod support;
mod throttle;
mod user_commands;
mod user_export;
mod user_import;
mod user_import_races;
