//! What the command line asks for, one file per command.

pub mod check_config;
pub mod clients;
pub mod keys;
pub mod migrate;
pub mod openapi;
pub mod serve;
pub mod users;

use process::Settings;

use crate::cli::{Cli, Command, KeysCommand, UsersCommand};
use crate::config::{CommandConfig, Config, KeysConfig, ResetLinkConfig};

/// Does what was asked.
///
/// # Errors
/// Whatever stands in the way, for the operator to read.
pub async fn run(cli: Cli, settings: Settings) -> anyhow::Result<()> {
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => Box::pin(serve::serve(Config::read(settings)?)).await,
        Command::CheckConfig => check_config::check_config(settings),
        Command::Openapi => openapi::openapi(),
        Command::Migrate { plan: true } => migrate::plan(&CommandConfig::read(settings)?).await,
        Command::Migrate { plan: false } => migrate::migrate(&CommandConfig::read(settings)?).await,
        Command::Users(UsersCommand::List) => users::list(&CommandConfig::read(settings)?).await,
        Command::Users(UsersCommand::Create(account)) => {
            users::create(&CommandConfig::read(settings)?, &account).await
        }
        Command::Clients(command) => clients::run(&CommandConfig::read(settings)?, &command).await,
        Command::Users(UsersCommand::ResetLink { email }) => {
            users::reset_link(&ResetLinkConfig::read(settings)?, &email).await
        }
        Command::Users(UsersCommand::ResetSecondFactor { email }) => {
            users::reset_second_factor(&CommandConfig::read(settings)?, &email).await
        }
        Command::Keys(command) => {
            let config = KeysConfig::read(settings)?;
            match command {
                KeysCommand::List => keys::list(&config).await,
                KeysCommand::Rotate => keys::rotate(&config).await,
                KeysCommand::Revoke { kid } => keys::revoke(&config, &kid).await,
                KeysCommand::Reencrypt => keys::reencrypt(&config).await,
            }
        }
    }
}
