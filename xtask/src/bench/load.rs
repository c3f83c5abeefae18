//! The two sources of load: wrk in front of the gateway, pgbench in front of PostgreSQL alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::interrupt;

const LUA: &str = include_str!("refresh.lua");
const BARE: &str = include_str!("bare.sql");

/// What one run of load came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) count: u64,
    pub(crate) per_second: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    /// Microseconds.
    pub(crate) p99: f64,
    /// Answers that were no 200, and requests without an answer.
    pub(crate) failed: u64,
}

/// Refreshes through the gateway.
#[derive(Debug)]
pub(crate) struct Wrk<'a> {
    pub(crate) program: &'a Path,
    pub(crate) gateway: u16,
    pub(crate) origin: &'a str,
    pub(crate) connections: u32,
    pub(crate) folder: &'a Path,
}

impl Wrk<'_> {
    /// Presents the tokens of a file, and their successors, for some seconds.
    pub(crate) fn run(&self, tokens: &Path, seconds: u64) -> Result<Load> {
        self.run_paced(tokens, seconds, 0)
    }

    /// The same with a pause of each client's before each request, of up to twice so many milliseconds.
    pub(crate) fn run_paced(&self, tokens: &Path, seconds: u64, pause_ms: u32) -> Result<Load> {
        let script = self.folder.join("refresh.lua");
        fs::write(&script, LUA).context("writing the script for wrk")?;
        let mut command = Command::new(self.program);
        command
            .args(["--threads=1", "--latency", "--timeout=5s"])
            .arg(format!("--connections={}", self.connections))
            .arg(format!("--duration={seconds}s"))
            .arg(format!("--script={}", script.display()))
            .arg(format!("http://127.0.0.1:{}", self.gateway))
            .env("TOKENS_FILE", tokens)
            .env("ORIGIN", self.origin)
            .env("PAUSE_MS", pause_ms.to_string());
        parse_wrk(&output(command)?)
    }
}

/// `RESULT requests microseconds p50 p99 failed`, written by the script.
pub(super) fn parse_wrk(text: &str) -> Result<Load> {
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT ")).context("wrk printed no result")?;
    let words: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [count, duration, p50, p99, failed] = words[..] else { anyhow::bail!("wrk printed `{line}`") };
    let per_second = count as f64 * 1e6 / duration.max(1) as f64;
    Ok(Load { count, per_second, p50: p50 as f64, p99: p99 as f64, failed })
}

/// The bare statement on the server itself.
#[derive(Debug)]
pub(crate) struct Pgbench<'a> {
    pub(crate) program: &'a Path,
    pub(crate) url: &'a str,
    pub(crate) folder: &'a Path,
}

impl Pgbench<'_> {
    /// Refreshes sessions at random for some seconds.
    pub(crate) fn run(&self, sessions: u32, seconds: u64) -> Result<Load> {
        let script = self.folder.join("bare.sql");
        fs::write(&script, BARE).context("writing the script for pgbench")?;
        self.forget_logs();
        let mut command = Command::new(self.program);
        command
            .args(["--no-vacuum", "--protocol=prepared", "--client=32", "--jobs=2"])
            .args(["--log", "--sampling-rate=0.1"])
            .arg(format!("--log-prefix={}", self.folder.join("pgbench").display()))
            .arg(format!("--time={seconds}"))
            .arg(format!("--define=sessions={sessions}"))
            .arg(format!("--file={}", script.display()))
            .arg(self.url);
        let text = output(command)?;
        let number = |label: &str| text.lines().find_map(|line| line.strip_prefix(label)).map(first_word);
        let count = number("number of transactions actually processed: ").context("pgbench: transactions")?;
        let per_second = number("tps = ").context("pgbench: tps")?;
        let times = self.times()?;
        Ok(Load {
            count: count.parse().context("pgbench: transactions")?,
            per_second: per_second.parse().context("pgbench: tps")?,
            p50: percentile(&times, 50),
            p99: percentile(&times, 99),
            failed: 0,
        })
    }

    fn logs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder).into_iter().flatten().flatten();
        let is_log =
            |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("pgbench."));
        entries.map(|entry| entry.path()).filter(is_log).collect()
    }

    fn forget_logs(&self) {
        for log in self.logs() {
            // It would only be counted again.
            drop(fs::remove_file(log));
        }
    }

    /// The third word of each line is how long the transaction took, in microseconds.
    fn times(&self) -> Result<Vec<u64>> {
        let mut times = Vec::new();
        for log in self.logs() {
            let text = fs::read_to_string(log).context("reading pgbench's log")?;
            times.extend(text.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<u64>().ok()));
        }
        ensure!(!times.is_empty(), "pgbench logged nothing");
        times.sort_unstable();
        Ok(times)
    }
}

fn first_word(text: &str) -> &str {
    text.split([' ', '/']).next().unwrap_or_default()
}

fn percentile(sorted: &[u64], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default() as f64
}

pub(super) fn output(mut command: Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {name}"))?;
    interrupt::check()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} failed: {}", complaint.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_script_is_read() {
        let load = parse_wrk("Running 1s test\nRESULT 5000 2000000 900 4000 3\n").unwrap();
        assert_eq!((load.count, load.failed), (5_000, 3));
        assert!((load.per_second - 2_500.0).abs() < 0.1);
        assert!(parse_wrk("RESULT 1 2").is_err());
    }

    #[test]
    fn percentiles_are_taken_from_the_sorted() {
        let sorted: Vec<u64> = (1..=200).collect();
        assert!((percentile(&sorted, 50) - 101.0).abs() < 0.1);
        assert!((percentile(&sorted, 99) - 199.0).abs() < 0.1);
    }
}
