//! The superuser's password: made once, kept beside the cluster, readable by its owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::account::Account;
use crate::error::{Doing, Result};

/// The password in `path`, which is made when it is not there.
pub(crate) fn read_or_make(path: &Path, account: Account) -> Result<String> {
    if let Ok(text) = fs::read_to_string(path) {
        return Ok(text.trim().to_owned());
    }
    let password = random_hex()?;
    let writing = || format!("writing {}", path.display());
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(password.as_bytes()))
        .doing(writing)?;
    account.own(path)?;
    Ok(password)
}

/// 128 bits, as text that needs no quoting in a URL or in SQL.
fn random_hex() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .doing(|| "reading /dev/urandom".to_owned())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
