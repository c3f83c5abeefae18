//! `users import`: a batch is read and checked while the one before it is written, and no more than these few are in memory.

mod reading;
mod report;

use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use database::Database;
use time::OffsetDateTime;

use self::report::Report;
use super::REFUSED;
use crate::accounts::transfer::Admission;
use crate::cli::ImportUsers;
use crate::config::CommandConfig;
use crate::db::transfer::{Import, LineNumbers};

/// A batch may have to wait for another import's.
const DEADLINE: Duration = Duration::from_secs(120);

/// Imports what the file holds, and prints what became of it. 4: some lines were refused.
///
/// # Errors
/// The file cannot be read, the report cannot be written, or the database is away. What was imported until then stays, and the
/// same command goes on.
pub(super) async fn import(config: &CommandConfig, accounts: &ImportUsers) -> anyhow::Result<ExitCode> {
    let database = Database::new(&config.database.direct, 1)?.with_deadline(DEADLINE);
    let admission = Admission { admins: accounts.allow_admins, now: OffsetDateTime::now_utc() };
    let mut batches = reading::read(&accounts.file, accounts.from_line, admission)?;
    let mut report = Report::open(accounts.report.as_deref(), accounts.dry_run)?;
    let import = Import::begin(&database, accounts.dry_run).await?;
    while let Some(batch) = batches.recv().await {
        let batch = batch.with_context(|| format!("reading {}", accounts.file.display()))?;
        let LineNumbers { from, .. } = batch.lines;
        let outcomes = import.batch(batch.lines, &batch.arrivals).await;
        let stopped = || format!("stopped before line {from}; the same command goes on from there");
        report.batch(&batch, &outcomes.with_context(stopped)?)?;
    }
    let summary = report.end()?;
    writeln!(stdout(), "{}", serde_json::to_string(&summary)?)?;
    Ok(if summary.refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}
