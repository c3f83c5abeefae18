//! Building the three processes, with cargo's own progress on the terminal.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::{interrupt, workspace};

/// The processes, by package and binary name.
pub(crate) const PROCESSES: [&str; 3] = ["auth-service", "business-api", "gateway"];

/// Builds what a person runs with a profile of the workspace's, and gives back the folder with the binaries.
pub(crate) fn for_use(profile: &str) -> Result<PathBuf> {
    let mut command = workspace::cargo();
    command.args(["build", "--profile", profile]);
    for package in PROCESSES {
        command.args(["--package", package]);
    }
    run(command)?;
    Ok(workspace::target()?.join(folder(profile)))
}

/// Builds the binaries of one package.
pub(crate) fn package(profile: &str, package: &str) -> Result<()> {
    let mut command = workspace::cargo();
    command.args(["build", "--profile", profile, "--package", package]);
    run(command)
}

/// A profile's folder in the target folder; the one for `dev` is older than profiles.
pub(crate) fn folder(profile: &str) -> &str {
    if profile == "dev" { "debug" } else { profile }
}

/// Builds an example of a package's beside what [`for_use`] builds.
pub(crate) fn example(profile: &str, package: &str, name: &str) -> Result<()> {
    let mut command = workspace::cargo();
    command.args(["build", "--profile", profile, "--package", package, "--example", name]);
    run(command)
}

/// Builds everything that tests need in one go: the tests, and beside them the binaries that system
/// tests start. Integration tests make cargo build their package's binaries, so nothing is built twice.
pub(crate) fn for_tests() -> Result<PathBuf> {
    let mut command = workspace::cargo();
    command.args(["test", "--workspace", "--no-run"]);
    run(command)?;
    let folder = workspace::target()?.join("debug");
    for name in PROCESSES {
        ensure!(folder.join(name).exists(), "cargo did not build {name}; has it lost its integration tests?");
    }
    Ok(folder)
}

/// Runs a command that has to succeed.
pub(crate) fn run(command: Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = interrupt::status(command)?;
    ensure!(status.success(), "{name} failed ({status})");
    Ok(())
}
