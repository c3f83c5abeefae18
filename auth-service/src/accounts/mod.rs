//! Accounts: who may log in, what an e-mail address and a password have to look like, and how passwords are hashed.
//!
//! Rules only. Nothing here knows HTTP or SQL; `http/` asks these rules and `db/` stores what they decide.

pub mod account;
pub mod administration;
pub mod bootstrap;
pub mod email;
pub mod foreign_hash;
pub mod hash_shares;
pub mod hash_threads;
pub mod login;
pub mod password;
pub mod password_change;
pub mod password_hash;
pub mod registration;
pub mod search;
pub mod transfer;

pub use account::{AccountStatus, Role, UserId};
pub use email::Email;
