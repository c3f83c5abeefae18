//! `users …`: what can be asked about accounts.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::accounts::search::{Handle, Search};
use crate::accounts::{AccountStatus, Role};

/// What can be done with accounts. ACCOUNT is an id or an e-mail address.
#[derive(Debug, Clone, Subcommand)]
pub enum UsersCommand {
    /// What needs the database only.
    #[command(flatten)]
    Account(AccountCommand),
    /// Print a link with which the password of an account can be replaced, once.
    ResetLink {
        /// The account's e-mail address.
        email: String,
    },
}

/// What needs the database only.
#[derive(Debug, Clone, Subcommand)]
pub enum AccountCommand {
    /// Make an account. The password is read from standard input, one line.
    Create(CreateUser),
    /// List accounts: id, e-mail address, role and status, separated by tabs, newest first.
    List(ListUsers),
    /// Show one account with the number of its sessions.
    Show(Account),
    /// Give an account another role, which ends its sessions.
    SetRole {
        /// Which.
        #[command(flatten)]
        account: Account,
        /// ADMIN or USER.
        role: Role,
    },
    /// Keep an account from logging in, and end its sessions.
    Disable(Account),
    /// Let it log in again.
    Enable(Account),
    /// Take an account away for good, with its sessions.
    Delete(Account),
    /// End all sessions of an account.
    EndSessions(Account),
    /// Take accounts over from another system: a file of JSON, a line for each. Run again it goes on where it ended.
    Import(ImportUsers),
    /// Write all accounts with their password hashes, a line of JSON for each, as `import` reads them.
    Export(ExportUsers),
    /// Remove the second factor of an account, for somebody who has lost both the app and the recovery codes.
    ResetSecondFactor(Account),
}

/// An account that is there already.
#[derive(Debug, Clone, Args)]
pub struct Account {
    /// Its id or its e-mail address.
    #[arg(value_name = "ACCOUNT", value_parser = handle)]
    pub handle: Handle,
    /// Print the account as JSON.
    #[arg(long)]
    pub json: bool,
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
    /// Print the account as JSON, and not only its id.
    #[arg(long)]
    pub json: bool,
}

/// Which accounts to list.
#[derive(Debug, Clone, Args)]
pub struct ListUsers {
    /// An id, the beginning of an e-mail address, or @ and the beginning of its domain; then in the order of the addresses.
    #[arg(value_parser = search)]
    pub search: Option<Search>,
    /// Only those of this role.
    #[arg(long)]
    pub role: Option<Role>,
    /// Only those of this status: active or disabled.
    #[arg(long)]
    pub status: Option<AccountStatus>,
    /// Print each as a line of JSON.
    #[arg(long)]
    pub json: bool,
}

/// Accounts to take over.
#[derive(Debug, Clone, Args)]
pub struct ImportUsers {
    /// The file; - is standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Say what would become of each line, and import nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Let lines with the role ADMIN in.
    #[arg(long)]
    pub allow_admins: bool,
    /// Write what is to be said of single lines to this new file, and not to standard error.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Begin at this line: those before it are imported already.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub from_line: u64,
}

/// Where all accounts are written.
#[derive(Debug, Clone, Args)]
pub struct ExportUsers {
    /// A file that is not there yet; standard output if none is named.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

fn handle(text: &str) -> Result<Handle, String> {
    Handle::parse(text).map_err(|error| format!("an e-mail address {error}; or give an id"))
}

fn search(text: &str) -> Result<Search, String> {
    Search::parse(text).map_err(|error| error.to_string())
}
