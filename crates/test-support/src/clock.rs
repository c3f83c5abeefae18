//! Processes whose clock is wrong.

use std::path::PathBuf;

/// The environment that makes a process see another wall clock, `+3s` or `-3s` from the true one; its monotonic clock is
/// right. Needs Debian's package `faketime`.
pub fn skewed_clock(offset: &str) -> [(&'static str, String); 3] {
    let library =
        library().expect("libfaketime: install the package `faketime`; `cargo xtask test` does so by itself");
    [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", offset.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

/// `/usr/lib/<architecture>/faketime/libfaketimeMT.so.1`, or without the architecture.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let candidates =
        folders.map(|folder| folder.join("faketime")).chain([PathBuf::from("/usr/lib/faketime")]);
    candidates.map(|folder| folder.join("libfaketimeMT.so.1")).find(|path| path.exists())
}
