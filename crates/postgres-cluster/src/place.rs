//! Where a cluster's files go, so that whoever runs the server can reach them.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::account::Account;

/// Only root writes here, so nobody can put a folder in the way.
const OUTSIDE: &str = "/var/lib";

/// `wanted`, or, when another user has to run the server and cannot get through to it (a checkout in
/// `/root`, say), a folder under `/var/lib` that belongs to that path alone.
pub(crate) fn for_account(wanted: &Path, account: Account) -> PathBuf {
    if account.reaches(wanted) {
        return wanted.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    wanted.hash(&mut hasher);
    Path::new(OUTSIDE).join(format!("portcullis-{:016x}", hasher.finish()))
}
