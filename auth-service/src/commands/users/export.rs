//! `users export`.

use std::io::{self, BufWriter, Write, stderr, stdout};
use std::time::Duration;

use database::Database;
use serde_json::json;

use super::new_file::NewFile;
use crate::accounts::transfer::Departure;
use crate::cli::ExportUsers;
use crate::config::CommandConfig;
use crate::db::transfer;

/// Whoever reads standard output may take their time.
const DEADLINE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Writes all accounts, and then how many there are: to standard error when the accounts are on standard output.
///
/// # Errors
/// The database is away, the file is there already, or it cannot be written.
pub(super) async fn export(config: &CommandConfig, accounts: &ExportUsers) -> anyhow::Result<()> {
    let database = Database::new(&config.database.direct, 1)?.with_deadline(DEADLINE);
    let Some(path) = &accounts.file else {
        let mut out = BufWriter::new(stdout());
        let written = write_to(&database, &mut out).await?;
        out.flush()?;
        return say(stderr(), written);
    };
    let mut file = NewFile::create(path)?;
    let written = write_to(&database, &mut file).await?;
    file.finish()?;
    say(stdout(), written)
}

async fn write_to(database: &Database, out: &mut (impl Write + Send)) -> Result<u64, transfer::ExportError> {
    transfer::export(database, |departure| write_line(out, departure)).await
}

fn write_line(out: &mut impl Write, departure: Departure) -> io::Result<()> {
    let record = departure.record().map_err(io::Error::other)?;
    let mut line = record.write()?;
    line.push(b'\n');
    out.write_all(&line)
}

fn say(mut out: impl Write, accounts: u64) -> anyhow::Result<()> {
    writeln!(out, "{}", json!({"accounts": accounts}))?;
    Ok(())
}
