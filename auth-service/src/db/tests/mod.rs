//! The tables and their statements against a real PostgreSQL, a database per test.

mod accounts;
mod actors;
mod clients;
mod epochs;
mod keys;
mod leaks;
mod login;
mod migrations;
mod prepared;
mod refresh_property;
mod refresh_races;
mod refresh_story;
mod refreshes;
mod revocations;
mod row_versions;
mod throttles;
