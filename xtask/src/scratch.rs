//! A folder for one run's files.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// The folder, removed with the value.
#[derive(Debug)]
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    /// Makes one that says what it is for.
    pub(crate) fn new(purpose: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("portcullis-{purpose}-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is in the temporary folder.
        drop(fs::remove_dir_all(&self.0));
    }
}
