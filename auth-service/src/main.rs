//! The auth service's process.

use std::process::ExitCode;

use auth_service::cli::Cli;
use auth_service::commands;
use clap::Parser as _;
use process::Settings;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    commands::run(Cli::parse(), Settings::load()).await
}
