//! A command of the auth service, watched while it runs.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::bench::usage::{own, with_children};
use crate::interrupt;

/// Both figures only grow, so the last look before the end misses no more than this.
const POLL: Duration = Duration::from_millis(20);

/// How to run it.
pub(super) struct AuthService<'a> {
    pub(super) program: &'a Path,
    pub(super) database: String,
    /// PostgreSQL's first process.
    pub(super) postgres: u32,
    /// Where it runs: a folder without a `.env`.
    pub(super) folder: &'a Path,
}

/// What a command took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) seconds: f64,
    pub(super) cpu_micros: u64,
    pub(super) postgres_micros: u64,
    pub(super) peak_kib: u64,
}

impl AuthService<'_> {
    /// Runs a command to its end; it has to succeed.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<Cost> {
        println!("    auth-service {}", arguments.join(" "));
        let (before, begun) = (with_children(self.postgres)?, Instant::now());
        let mut child = Command::new(self.program)
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", &self.database)
            .current_dir(self.folder)
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        let cost = watch(&mut child)?;
        let postgres_micros = with_children(self.postgres)?.saturating_sub(before);
        Ok(Cost { seconds: begun.elapsed().as_secs_f64(), postgres_micros, ..cost })
    }
}

fn watch(child: &mut Child) -> Result<Cost> {
    let mut cost = Cost::default();
    while !interrupt::requested() {
        if let Some(status) = child.try_wait().context("waiting for a command")? {
            ensure!(status.success(), "the command failed ({status})");
            return Ok(cost);
        }
        // One that has just ended has no more to show.
        cost.cpu_micros = own(child.id()).unwrap_or(cost.cpu_micros).max(cost.cpu_micros);
        cost.peak_kib = peak_kib(child.id()).unwrap_or(cost.peak_kib);
        sleep(POLL);
    }
    child.kill().context("ending a command")?;
    interrupt::check()?;
    Ok(cost)
}

/// proc_pid_status(5): the most that was ever resident.
fn peak_kib(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
