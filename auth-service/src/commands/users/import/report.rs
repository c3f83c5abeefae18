//! What became of an import: a line of JSON for every line of the file of which there is something to say, and the numbers.
//!
//! It says the number of a line and no more of it: neither addresses nor hashes, so that it may lie where other reports lie.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write, stderr};
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::reading::Batch;
use crate::accounts::transfer::{Arrival, Outcome, RefusedLine};

/// The numbers.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    /// Whether nothing was imported, whatever the others say.
    dry_run: bool,
    /// Lines that were read, but for empty ones and those before the first that was asked for.
    lines: u64,
    /// Accounts that were made.
    imported: u64,
    /// Lines whose account was there as the line has it.
    unchanged: u64,
    /// Lines whose address had an account that differs.
    exists: u64,
    /// Lines that are none, or may not be.
    pub(super) refused: u64,
    /// Of the imported ones: those whose owners have to choose a password.
    without_password: u64,
    /// Of the imported ones: those whose owners have lost their second factor.
    second_factor_dropped: u64,
}

#[derive(Serialize)]
struct Entry {
    line: u64,
    result: &'static str,
    code: &'static str,
    detail: String,
}

/// What is being written.
pub(super) struct Report {
    out: Box<dyn Write>,
    summary: Summary,
}

impl Report {
    /// Begins it, in a new file or on standard error.
    ///
    /// # Errors
    /// There is such a file already (it may be the one that is imported), or it cannot be made.
    pub(super) fn open(file: Option<&Path>, dry_run: bool) -> anyhow::Result<Self> {
        let out: Box<dyn Write> = match file {
            None => Box::new(BufWriter::new(stderr())),
            Some(path) => {
                let file = OpenOptions::new().write(true).create_new(true).open(path);
                Box::new(BufWriter::new(
                    file.with_context(|| format!("making the report {}", path.display()))?,
                ))
            }
        };
        Ok(Self { out, summary: Summary { dry_run, ..Summary::default() } })
    }

    /// Adds a batch, in the order of its lines.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn batch(&mut self, batch: &Batch, outcomes: &[Outcome]) -> anyhow::Result<()> {
        let refused = batch.refused.iter().map(|(line, refused)| refusal(*line, refused));
        let mut entries: Vec<_> = refused.collect();
        self.summary.lines += (batch.arrivals.len() + batch.refused.len()) as u64;
        self.summary.refused += batch.refused.len() as u64;
        for ((line, arrival), outcome) in batch.numbers.iter().zip(&batch.arrivals).zip(outcomes) {
            entries.extend(self.count(*line, arrival, outcome));
        }
        entries.sort_by_key(|entry| entry.line);
        for entry in entries {
            writeln!(self.out, "{}", serde_json::to_string(&entry)?).context("writing the report")?;
        }
        self.out.flush().context("writing the report")
    }

    /// Counts a line, and says of it what is to be said.
    fn count(&mut self, line: u64, arrival: &Arrival, outcome: &Outcome) -> Option<Entry> {
        match outcome {
            Outcome::Imported => {
                self.summary.imported += 1;
                self.summary.without_password += u64::from(arrival.password_hash.is_none());
                self.summary.second_factor_dropped += u64::from(arrival.second_factor);
                let (result, code) = ("imported", "second_factor_dropped");
                let detail = "it had a second factor; its owner has to set up a new one".to_owned();
                arrival.second_factor.then_some(Entry { line, result, code, detail })
            }
            Outcome::Unchanged => {
                self.summary.unchanged += 1;
                None
            }
            Outcome::Exists(differing) => {
                self.summary.exists += 1;
                let detail = format!("its account has another {}", differing.join(", "));
                Some(Entry { line, result: "exists", code: "email_taken", detail })
            }
            Outcome::IdTaken => {
                self.summary.refused += 1;
                Some(refusal(line, &RefusedLine::IdTaken))
            }
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn end(mut self) -> anyhow::Result<Summary> {
        self.out.flush().context("writing the report")?;
        Ok(self.summary)
    }
}

fn refusal(line: u64, refused: &RefusedLine) -> Entry {
    Entry { line, result: "refused", code: refused.code(), detail: refused.to_string() }
}
