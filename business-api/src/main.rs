//! The orders API's process: its command line. Everything but starting and stopping is in the library.

mod migrate;
mod serve;

use business_api::config::Config;
use business_api::http::document::document;
use clap::{Parser, Subcommand};
use process::Settings;

/// The orders API of Portcullis. Its settings come from the environment.
#[derive(Parser)]
#[command(name = "business-api", version)]
struct Cli {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM.
    Serve,
    /// Bring the database to the schema of this binary.
    Migrate {
        /// Only say what is pending.
        #[arg(long)]
        plan: bool,
    },
    /// Say what is wrong with the settings, or OK.
    CheckConfig,
    /// Print the OpenAPI document of this binary.
    Openapi,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the answer of a command to the person who gave it")]
async fn main() -> anyhow::Result<()> {
    let command = Cli::parse().command.unwrap_or(Command::Serve);
    let config = || Config::read(Settings::load());
    match command {
        Command::Serve => serve::serve(config()?).await?,
        Command::Migrate { plan } => println!("{}", migrate::migrate(&config()?.database_url, plan).await?),
        Command::CheckConfig => config().map(|_usable| println!("OK"))?,
        Command::Openapi => println!("{:#}", document()),
    }
    Ok(())
}
