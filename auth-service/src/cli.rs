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
    /// List, rotate and revoke signing keys.
    #[command(subcommand)]
    Keys(KeysCommand),
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

/// What can be done with signing keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeysCommand {
    /// List keys: name, algorithm, made, signs from, state and secret, separated by tabs, oldest first.
    List,
    /// Make the next key now. It signs after `KEY_PUBLISH_AHEAD`.
    Rotate,
    /// Take a key away at once: tokens that it signed are refused.
    Revoke {
        /// The key's name.
        kid: String,
    },
    /// Seal every key under the current `JWT_SECRET`.
    Reencrypt,
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
