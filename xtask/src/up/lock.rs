//! One `up` per checkout at a time. The system releases the lock even when this program is killed.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The lock of `folder`, held while the file is open.
pub(crate) fn take(folder: &Path) -> Result<File> {
    let path = folder.join("up.lock");
    let what = || format!("locking {}", path.display());
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(&path).with_context(what)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid).with_context(what)?;
            bail!(
                "another `cargo xtask up` is running in this checkout (process {}); stop it first",
                pid.trim()
            );
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(what),
    }
    file.set_len(0).with_context(what)?;
    file.rewind().with_context(what)?;
    writeln!(file, "{}", std::process::id()).with_context(what)?;
    Ok(file)
}
