//! What is wrong with a configuration, told so that its author finds the place.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The line of the file, counted from one; `None` for what is missing from it as a whole.
    pub line: Option<usize>,
    /// What is wrong, and where it helps, what would be right.
    pub message: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file, or a setting of the environment, is not usable.
    #[error("{} is not usable:\n  {}", name(file.as_deref()), lines(complaints))]
    Refused {
        /// The file, where there is one.
        file: Option<PathBuf>,
        /// All that was found, in the order of the file.
        complaints: Vec<Complaint>,
    },
}

impl ConfigError {
    pub(super) const fn refused(complaints: Vec<Complaint>) -> Self {
        Self::Refused { file: None, complaints }
    }

    pub(super) fn in_file(mut self, path: &Path) -> Self {
        if let Self::Refused { file, .. } = &mut self {
            *file = Some(path.to_owned());
        }
        self
    }
}

fn name(file: Option<&Path>) -> String {
    file.map_or_else(|| "the configuration".to_owned(), |path| path.display().to_string())
}

fn lines(complaints: &[Complaint]) -> String {
    complaints.iter().map(Complaint::to_string).collect::<Vec<_>>().join("\n  ")
}
