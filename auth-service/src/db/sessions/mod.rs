//! `sessions`: opened by a login, moved on by refreshes, ended by a logout; each in one statement.

mod find;
mod log_out;
mod open;
mod refresh;

pub use find::{Overview, find};
pub use log_out::log_out;
pub use open::open;
pub(in crate::db) use refresh::Outcome;
#[cfg(test)]
pub(in crate::db) use refresh::present;
pub use refresh::{Refreshed, refresh};
