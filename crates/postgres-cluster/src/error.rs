//! What can go wrong between a folder and a running server.

use std::io;
use std::path::PathBuf;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, with what a person can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There are no server programs to run a cluster with.
    #[error("PostgreSQL's server programs are not installed")]
    NotInstalled,
    /// The folder belongs to a version that is not on this machine any more.
    #[error(
        "{} was made by PostgreSQL {made_by}, whose programs are not here any more; \
         install them", folder.display()
    )]
    OtherVersion {
        /// The cluster's folder.
        folder: PathBuf,
        /// The major version it needs.
        made_by: u32,
    },
    /// Root may not run PostgreSQL, and there is nobody to run it instead.
    #[error(
        "PostgreSQL refuses to run as root, and neither `postgres` nor `nobody` is a user of this machine"
    )]
    NoAccount,
    /// A program of PostgreSQL's ended with an error.
    #[error("{program} failed: {output}")]
    Program {
        /// Its name.
        program: String,
        /// What it wrote.
        output: String,
    },
    /// The server ended, or did not become ready in time.
    #[error("PostgreSQL did not start on port {port}; the end of {}:\n{tail}", log.display())]
    NotReady {
        /// The port it should have listened on.
        port: u16,
        /// Its log file.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A file or process operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and to which file.
        what: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// Says what was being done when the system refused.
pub(crate) trait Doing<T> {
    /// `what` reads like "creating /a/b".
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { what: what(), source })
    }
}
