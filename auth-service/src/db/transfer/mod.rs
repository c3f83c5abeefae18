//! Accounts that come from another system, and all of them for one: many rows at a time, on a connection to the server itself,
//! because neither is done within the deadline of a request.

mod export;
mod import;
mod insert;
mod known;

pub use export::{ExportError, export};
pub use import::{Import, LineNumbers};

/// A statement may wait for somebody else's batch, or for a disk.
const PATIENCE: &str = "SET LOCAL statement_timeout = '60s'";

/// Where lines become rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    /// The accounts.
    Users,
    /// A table like it that ends with the connection, of what would have been imported.
    Rehearsal,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Rehearsal => "pg_temp.rehearsed_users",
        }
    }
}
