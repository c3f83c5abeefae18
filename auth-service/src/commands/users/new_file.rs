//! A file with other people's secrets: readable by its owner only, under its name only when it is complete, and never in the
//! place of another.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// The file while it is written. Dropped unfinished, nothing is left of it.
pub(super) struct NewFile {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    is_finished: bool,
}

impl NewFile {
    /// Begins it, beside the place where it will be.
    ///
    /// # Errors
    /// There is one already, or an unfinished one; or it cannot be made.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        ensure_free(path)?;
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial);
        let file = file.with_context(|| format!("making {}", partial.display()))?;
        Ok(Self { path: path.to_owned(), partial, file: BufWriter::new(file), is_finished: false })
    }

    /// Gives it its name, once all of it is on the disk.
    ///
    /// # Errors
    /// It cannot be written, or somebody made another one meanwhile.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        let written = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        written.with_context(|| format!("writing {}", self.partial.display()))?;
        ensure_free(&self.path)?;
        fs::rename(&self.partial, &self.path).with_context(|| format!("making {}", self.path.display()))?;
        self.is_finished = true;
        Ok(())
    }
}

fn ensure_free(path: &Path) -> anyhow::Result<()> {
    let is_taken = path.symlink_metadata().is_ok();
    ensure!(!is_taken, "{} is there already, and is not written over", path.display());
    Ok(())
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_finished {
            // What cannot be removed says by its name that it is no use.
            drop(fs::remove_file(&self.partial));
        }
    }
}
