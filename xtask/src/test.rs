//! `cargo xtask test`: every test of the workspace, on a PostgreSQL that exists only for this run.

use std::process::ExitCode;

use anyhow::{Context, Result};
use postgres_cluster::TemporaryCluster;

use crate::{build, interrupt, orphans, packages, workspace};

/// What `cargo xtask test` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to `cargo test`: a name to filter by, `--package auth-service`, `--test …`, `-- --nocapture`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Builds, starts the database, tests, stops the database.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let installed = packages::postgres()?;
    packages::for_tests()?;
    build::for_tests()?;
    orphans::adopt();
    let outcome = with_database(&installed, arguments);
    orphans::end();
    outcome
}

fn with_database(installed: &[postgres_cluster::Binaries], arguments: &Arguments) -> Result<ExitCode> {
    let cluster = TemporaryCluster::start(installed, &[])?;
    let server = cluster.running().context("the test server")?;
    println!("PostgreSQL {} for this run on port {}", cluster.version(), server.port());
    let mut command = workspace::cargo();
    command.arg("test");
    if !names_a_package(&arguments.rest) {
        command.arg("--workspace");
    }
    command
        .arg("--no-fail-fast")
        .args(&arguments.rest)
        .env("TEST_DATABASE_URL", server.superuser_url("postgres"));
    let status = interrupt::status(command)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn names_a_package(arguments: &[String]) -> bool {
    arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| argument == "-p" || argument.starts_with("--package"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_recognised_before_the_dashes_only() {
        let check = |words: &[&str], expected| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(names_a_package(&words), expected);
        };
        check(&["-p", "gateway"], true);
        check(&["--package=gateway"], true);
        check(&["refresh", "--", "-p"], false);
        check(&[], false);
    }
}
