//! `sessions`: opened by a login, moved on by refreshes, ended by a logout; each in one statement.

mod asking;
mod end_all;
mod end_one;
mod find;
mod list;
mod log_out;
mod open;
mod refresh;
mod refreshes;
mod revoke;
mod rotate_many;

pub use asking::find_asking;
pub(in crate::db) use asking::{ask, lock_asking, lock_user};
pub(in crate::db) use end_all::{EndAll, end_all};
pub use end_one::{EndedOne, end_one};
pub use find::{Overview, find};
pub use list::{Listed, list};
pub use log_out::log_out;
pub use open::open;
pub(in crate::db) use refresh::Outcome;
#[cfg(test)]
pub(in crate::db) use refresh::present;
pub use refresh::{Refreshed, refresh};
pub use refreshes::Refreshes;
pub use revoke::{Proof, revoke};
#[cfg(test)]
pub(in crate::db) use rotate_many::{Asked, rotate_many};
