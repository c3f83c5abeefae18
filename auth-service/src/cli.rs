//! The command line: what can be asked of the binary. The doing is in [`crate::commands`].

use clap::{Args, Parser, Subcommand};

use crate::accounts::Role;

/// The auth service of Portcullis: the only signer of tokens. Its settings come from the environment.
#[derive(Debug, Parser)]
#[command(name = "auth-service", version)]
pub struct Cli {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What can be done.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Serve until SIGTERM.
    Serve,
    /// Bring the database to the schema of this binary.
    Migrate {
        /// Only say what is pending.
        #[arg(long)]
        plan: bool,
    },
    /// Make and list accounts.
    #[command(subcommand)]
    Users(UsersCommand),
    /// Say what is wrong with the settings, or OK.
    CheckConfig,
}

/// What can be done with accounts.
#[derive(Debug, Clone, Subcommand)]
pub enum UsersCommand {
    /// Make an account. The password is read from standard input, one line.
    Create(CreateUser),
    /// List accounts: id, e-mail address, role and status, separated by tabs, oldest first.
    List,
}

/// An account to make.
#[derive(Debug, Clone, Args)]
pub struct CreateUser {
    /// The e-mail address.
    #[arg(long)]
    pub email: String,
    /// ADMIN or USER.
    #[arg(long, default_value = "USER")]
    pub role: Role,
    /// Mark it as one for demonstrations: production does not start while a demo ADMIN exists.
    #[arg(long)]
    pub demo: bool,
}
