//! The command line: what can be asked of the binary. The doing is in [`crate::commands`].

mod users;

use clap::{Parser, Subcommand};

pub use users::{Account, AccountCommand, CreateUser, ExportUsers, ImportUsers, ListUsers, UsersCommand};

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
    /// Make, look at, change and take away accounts.
    #[command(subcommand)]
    Users(UsersCommand),
    /// Make, list and end clients: internal services with tokens of their own.
    #[command(subcommand)]
    Clients(ClientsCommand),
    /// List, rotate and revoke signing keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Say what is wrong with the settings, or OK.
    CheckConfig,
    /// Print the OpenAPI document of this binary.
    Openapi,
}

/// What can be done with clients.
#[derive(Debug, Clone, Subcommand)]
pub enum ClientsCommand {
    /// Make a client and print its id and secret as JSON. The secret is shown this once.
    Create {
        /// Its name: 1 to 64 of a-z, 0-9, _ and -, a letter first.
        #[arg(long)]
        id: String,
        /// What it may ask for; several, or the option several times. `introspect` and `revoke` let it use those endpoints.
        #[arg(long, num_args = 1..)]
        scope: Vec<String>,
    },
    /// List clients: name, scopes, made, secret drawn and, in an overlap, its end, separated by tabs.
    List,
    /// Give a client another secret and print it as JSON. The old one and all tokens given so far end at once.
    Rotate {
        /// The client's name.
        id: String,
        /// Take the old secret for this long too, such as 1h, and leave its tokens alone.
        #[arg(long, value_name = "DURATION")]
        keep_old: Option<String>,
    },
    /// End a client and all tokens given to it.
    Delete {
        /// The client's name.
        id: String,
    },
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
    /// Seal every key, and every secret of an authenticator app, under the current `JWT_SECRET`.
    Reencrypt,
}
