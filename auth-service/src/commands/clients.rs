//! `clients`: internal services that get tokens of their own, made and ended by whoever runs the service.

use std::io::{Write as _, stdout};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use database::Database;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::ClientsCommand;
use crate::clients::{ClientId, ClientSecret, Scopes};
use crate::config::CommandConfig;
use crate::db::clients;
use crate::db::notifications::{self, Replica};

/// No client waits for a command.
const DEADLINE: Duration = Duration::from_secs(30);
/// The longest overlap: a secret that is kept for longer is two secrets.
const LONGEST_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3600);

/// What is shown of a client once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    client_id: &'a str,
    client_secret: &'a str,
}

/// Does what was asked.
///
/// # Errors
/// A name or scope is not acceptable, the client exists or does not, or the database is away.
pub async fn run(config: &CommandConfig, command: &ClientsCommand) -> anyhow::Result<()> {
    let database = Database::new(&config.database.url, 1)?.with_deadline(DEADLINE);
    match command {
        ClientsCommand::Create { id, scope } => create(&database, id, scope.clone()).await,
        ClientsCommand::List => list(&database).await,
        ClientsCommand::Rotate { id, keep_old } => rotate(&database, id, keep_old.as_deref()).await,
        ClientsCommand::Delete { id } => delete(&database, id).await,
    }
}

async fn create(database: &Database, id: &str, scopes: Vec<String>) -> anyhow::Result<()> {
    let (id, scopes): (ClientId, _) = (id.parse()?, Scopes::granted(scopes)?);
    let secret = ClientSecret::generate();
    clients::create(database, &id, secret.hash(), &scopes).await?;
    show(&id, &secret)
}

async fn rotate(database: &Database, id: &str, keep_old: Option<&str>) -> anyhow::Result<()> {
    let id: ClientId = id.parse()?;
    let keep_old = keep_old.map(overlap).transpose()?;
    let secret = ClientSecret::generate();
    clients::rotate(database, &id, secret.hash(), keep_old).await?;
    tell(database).await;
    show(&id, &secret)
}

async fn delete(database: &Database, id: &str) -> anyhow::Result<()> {
    let id: ClientId = id.parse()?;
    clients::delete(database, &id).await?;
    tell(database).await;
    writeln!(stdout(), "{id} is deleted")?;
    Ok(())
}

async fn list(database: &Database) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    for client in clients::list(database).await? {
        let (scopes, created) = (client.scopes.join(" "), rfc3339(client.created_at)?);
        let rotated = rfc3339(client.rotated_at)?;
        let kept = client.previous_until.map(rfc3339).transpose()?.unwrap_or_default();
        writeln!(out, "{}\t{scopes}\t{created}\t{rotated}\t{kept}", client.id)?;
    }
    Ok(())
}

fn overlap(text: &str) -> anyhow::Result<Duration> {
    let overlap = process::parse_duration(text).context("--keep-old is a duration such as 1h")?;
    let days = LONGEST_OVERLAP.as_secs() / 86_400;
    ensure!(!overlap.is_zero() && overlap <= LONGEST_OVERLAP, "--keep-old must be between 1s and {days}d");
    Ok(overlap)
}

/// Lost, it costs a second: every replica also looks by itself.
async fn tell(database: &Database) {
    let _told = notifications::notify(database, Replica::new()).await;
}

fn show(id: &ClientId, secret: &ClientSecret) -> anyhow::Result<()> {
    let shown = Shown { client_id: id.as_str(), client_secret: secret.expose() };
    writeln!(stdout(), "{}", serde_json::to_string(&shown)?)?;
    Ok(())
}

fn rfc3339(time: OffsetDateTime) -> Result<String, time::error::Format> {
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339)
}
