//! A private PostgreSQL: its programs found or installed, a cluster in a folder, started, stopped and queried.
//!
//! For development and tests only. Production brings its own PostgreSQL and knows nothing of this
//! crate. It links no database driver: what it has to say to the server goes through `psql`.

mod account;
mod binaries;
mod cluster;
mod error;
mod install;
mod leftover;
mod place;
mod psql;
mod running;
mod secret_file;
mod temporary;

pub use binaries::{Binaries, find, find_psql};
pub use cluster::{Cluster, Options};
pub use error::{Error, Result};
pub use install::provide;
pub use psql::Psql;
pub use running::Running;
pub use temporary::TemporaryCluster;
