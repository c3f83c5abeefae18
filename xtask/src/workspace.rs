//! Where things are: the workspace, cargo, the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The workspace's folder: cargo says where at run time, so a checkout may be moved with what it has built.
pub(crate) fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().unwrap_or(Path::new(".")).to_owned()
}

/// What `cargo xtask` keeps between runs; ignored by git.
pub(crate) fn state() -> PathBuf {
    root().join(".portcullis")
}

/// The same cargo that runs this, in the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Where cargo puts what it builds, whatever the settings of the machine say.
pub(crate) fn target() -> Result<PathBuf> {
    let output = cargo()
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .output()
        .context("running cargo metadata")?;
    let text = String::from_utf8(output.stdout).context("cargo metadata")?;
    let start =
        text.rsplit_once("\"target_directory\":\"").context("cargo metadata names no target folder")?.1;
    let end = start.find('"').context("cargo metadata")?;
    Ok(PathBuf::from(start[..end].replace("\\\\", "\\")))
}
