//! `users`: accounts made and listed by whoever runs the service.

use std::io::{IsTerminal as _, Write as _, stderr, stdin, stdout};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use database::Database;

use crate::accounts::password_hash::PasswordHash;
use crate::accounts::registration::{self, InvalidRegistration};
use crate::accounts::{Email, UserId};
use crate::cli::CreateUser;
use crate::config::{CommandConfig, ResetLinkConfig};
use crate::db::audit::{self, Event};
use crate::db::second_factors::OperatorReset;
use crate::db::users::NewUser;
use crate::db::{demo_accounts, mail_tokens, second_factors, users};
use crate::mail::MailToken;
use crate::sessions::Device;

/// No client waits for a command.
const DEADLINE: Duration = Duration::from_secs(30);

/// Makes an account; its password is the first line of standard input. Prints the id.
///
/// # Errors
/// The address or password is not acceptable, the address is taken, or the database is away.
pub async fn create(config: &CommandConfig, account: &CreateUser) -> anyhow::Result<()> {
    let password = read_password()?;
    let email = check(&account.email, &password)?;
    let password_hash = PasswordHash::of(&password, config.cost)?;
    let new = NewUser {
        id: UserId::generate(),
        email,
        password_hash: password_hash.secret().clone(),
        role: account.role,
    };
    let database = open(config)?;
    let user = users::insert(&database, &new).await?;
    audit::note(&database, &Event::account_created(user.id, &Device::default())).await;
    users::mark_verified(&database, user.id).await?;
    if account.demo {
        demo_accounts::mark(&database, user.id).await?;
    }
    writeln!(stdout(), "{}", user.id)?;
    Ok(())
}

/// Prints a link with which the password of an account can be replaced, once. Links from before are no good any more.
///
/// # Errors
/// There is no such account that is active, or the database is away.
pub async fn reset_link(config: &ResetLinkConfig, email: &str) -> anyhow::Result<()> {
    let email = Email::parse(email).map_err(|error| anyhow::anyhow!("the e-mail address {error}"))?;
    let token = MailToken::generate()?;
    let database = Database::new(&config.database.url, 1)?.with_deadline(DEADLINE);
    if !mail_tokens::make_for_operator(&database, &email, token.hash(), config.lifetime).await? {
        bail!("there is no account with this address, or it is disabled");
    }
    writeln!(stdout(), "{}", config.base.reset_link(&token).expose())?;
    Ok(())
}

/// Prints all accounts, tab-separated.
///
/// # Errors
/// The database is away.
pub async fn list(config: &CommandConfig) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    for user in users::list(&open(config)?).await? {
        writeln!(out, "{}\t{}\t{}\t{}", user.id, user.email, user.role, user.status.as_str())?;
    }
    Ok(())
}

/// Removes the second factor of an account whose owner can show it no more.
///
/// # Errors
/// There is no such account, it has no second factor, or the database is away.
pub async fn reset_second_factor(config: &CommandConfig, email: &str) -> anyhow::Result<()> {
    let email = Email::parse(email).map_err(|error| anyhow!("the e-mail address {error}"))?;
    match second_factors::reset_by_operator(&open(config)?, &email).await? {
        OperatorReset::Removed => writeln!(stdout(), "the second factor is removed")?,
        OperatorReset::HadNone => bail!("the account has no second factor"),
        OperatorReset::NoSuchUser => bail!("there is no such account"),
    }
    Ok(())
}

fn open(config: &CommandConfig) -> anyhow::Result<Database> {
    Ok(Database::new(&config.database.url, 1)?.with_deadline(DEADLINE))
}

fn read_password() -> anyhow::Result<String> {
    if stdin().is_terminal() {
        write!(stderr(), "Password: ")?;
    }
    let mut line = String::new();
    stdin().read_line(&mut line).context("the password is read from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn check(email: &str, password: &str) -> anyhow::Result<Email> {
    registration::check(email, password).or_else(|InvalidRegistration { email, password }| {
        let email = email.map(|error| format!("the e-mail address {error}"));
        let password = password.map(|error| format!("the password {error}"));
        bail!("{}", email.into_iter().chain(password).collect::<Vec<_>>().join("; "))
    })
}
