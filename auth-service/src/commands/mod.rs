//! What the command line asks for, one file per command.

pub mod check_config;
pub mod clients;
pub mod keys;
pub mod migrate;
pub mod openapi;
pub mod serve;
pub mod users;

use std::process::ExitCode;

use process::Settings;

use crate::cli::{Cli, Command, KeysCommand};
use crate::config::{CommandConfig, Config, KeysConfig};

/// Does what was asked, and says how it ended: 0, or for `users` what [`users::run`] says.
///
/// # Errors
/// Whatever stands in the way, for the operator to read; the process then ends with 1.
pub async fn run(cli: Cli, settings: Settings) -> anyhow::Result<ExitCode> {
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => Box::pin(serve::serve(Config::read(settings)?)).await,
        Command::CheckConfig => check_config::check_config(settings),
        Command::Openapi => openapi::openapi(),
        Command::Migrate { plan: true } => migrate::plan(&CommandConfig::read(settings)?).await,
        Command::Migrate { plan: false } => migrate::migrate(&CommandConfig::read(settings)?).await,
        Command::Users(command) => {
            return users::run(settings, command).await;
        }
        Command::Clients(command) => clients::run(&CommandConfig::read(settings)?, &command).await,
        Command::Keys(command) => {
            let config = KeysConfig::read(settings)?;
            match command {
                KeysCommand::List => keys::list(&config).await,
                KeysCommand::Rotate => keys::rotate(&config).await,
                KeysCommand::Revoke { kid } => keys::revoke(&config, &kid).await,
                KeysCommand::Reencrypt => keys::reencrypt(&config).await,
            }
        }
    }?;
    Ok(ExitCode::SUCCESS)
}
