//! The auth service's process.

use auth_service::cli::Cli;
use auth_service::commands;
use clap::Parser as _;
use process::Settings;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    commands::run(Cli::parse(), Settings::load()).await
}
