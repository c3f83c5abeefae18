//! A private PostgreSQL: its programs found, a cluster in a folder, started, stopped and queried.
//!
//! For development and tests only. Production brings its own PostgreSQL and knows nothing of this
//! crate. It links no database driver: what it has to say to the server goes through `psql`.

mod account;
mod binaries;
mod cluster;
mod error;
mod leftover;
mod place;
mod psql;
mod running;
mod secret_file;
mod temporary;

pub use binaries::{Binaries, find, find_psql};
pub use cluster::{Cluster, Options};
pub use error::{Error, Result};
pub use psql::Psql;
pub use running::Running;
pub use temporary::TemporaryCluster;

/// Gives a file or folder to the user that servers run as: a TLS key, which PostgreSQL reads only from its owner.
///
/// # Errors
/// Root has no other user to run servers as, or the file's owner cannot be changed.
pub fn give_to_server(path: &std::path::Path) -> Result<()> {
    account::Account::choose()?.own(path)
}
