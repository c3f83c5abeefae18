//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::Question;
use crate::pipeline::rehearse::Imagined;

/// The public door of Portcullis: verifies access tokens and tells the services behind it who is calling.
#[derive(Debug, Parser)]
#[command(name = "gateway", version)]
pub struct Cli {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Says whether the configuration is usable, and what it routes.
    Check,
    /// Says what would become of a request.
    Explain(Asked),
    /// Prints the identity key to give to an upstream; needs `IDENTITY_KEY` and no file.
    IdentityKey {
        /// The upstream's name in the configuration.
        name: String,
    },
}

/// The request to explain.
#[derive(Debug, Args)]
pub struct Asked {
    /// Such as GET.
    method: String,
    /// A URL, or a path.
    url: String,
    /// The role of the caller; without it nobody is calling.
    #[arg(long)]
    role: Option<String>,
    /// The client that calls on its own behalf, in place of a user.
    #[arg(long, conflicts_with = "role")]
    client: Option<String>,
}

impl From<Asked> for Question {
    fn from(Asked { method, url, role, client }: Asked) -> Self {
        let caller = role.map(Imagined::User).or(client.map(Imagined::Client));
        Self { method, url, caller }
    }
}
