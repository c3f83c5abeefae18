//! CPU time and log volume so far, read off Linux and PostgreSQL; the difference of two readings is what something cost.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use postgres_cluster::Psql;

/// `/proc` counts in hundredths of a second on every Linux (proc(5), USER_HZ).
const MICROS_PER_TICK: u64 = 10_000;
/// Processes that have ended are accounted to their parent once it has waited for them.
const SETTLE: Duration = Duration::from_millis(400);

/// Who is looked at.
#[derive(Debug)]
pub(crate) struct Subjects<'a> {
    pub(crate) auth: u32,
    pub(crate) gateway: u32,
    /// PostgreSQL's first process; all others are its children.
    pub(crate) postgres: u32,
    pub(crate) psql: &'a Psql,
    /// The database's superuser, for the log's position.
    pub(crate) url: &'a str,
}

/// One reading: microseconds of CPU and of time, and bytes of PostgreSQL's write-ahead log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) auth: u64,
    pub(crate) gateway: u64,
    pub(crate) postgres: u64,
    /// All processors, all programs.
    pub(crate) machine: u64,
    pub(crate) log: u64,
    /// The time of day.
    pub(crate) time: u64,
}

impl Subjects<'_> {
    /// Reads now.
    pub(crate) fn read(&self) -> Result<Usage> {
        sleep(SETTLE);
        let position =
            self.psql.run(self.url, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")?;
        Ok(Usage {
            auth: Times::of(self.auth)?.own,
            gateway: Times::of(self.gateway)?.own,
            postgres: with_children(self.postgres)?,
            machine: machine()?,
            log: position.parse().context("the position of PostgreSQL's log")?,
            time: time()?,
        })
    }
}

impl Usage {
    /// What was used since `before`.
    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            auth: self.auth.saturating_sub(before.auth),
            gateway: self.gateway.saturating_sub(before.gateway),
            postgres: self.postgres.saturating_sub(before.postgres),
            machine: self.machine.saturating_sub(before.machine),
            log: self.log.saturating_sub(before.log),
            time: self.time.saturating_sub(before.time),
        }
    }
}

/// A process's times in microseconds.
struct Times {
    parent: u32,
    own: u64,
    /// Of children that have ended.
    children: u64,
}

impl Times {
    fn of(process: u32) -> Result<Self> {
        let path = format!("/proc/{process}/stat");
        let line = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        Self::parse(&line).with_context(|| format!("reading {path}"))
    }

    /// proc_pid_stat(5): after the name in parentheses come state, parent, and from the twelfth on utime, stime, cutime, cstime.
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<_> = line.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: (ticks(11)? + ticks(12)?) * MICROS_PER_TICK,
            children: (ticks(13)? + ticks(14)?) * MICROS_PER_TICK,
        })
    }
}

/// Microseconds of CPU of a process alone.
pub(super) fn own(process: u32) -> Result<u64> {
    Ok(Times::of(process)?.own)
}

/// Microseconds of CPU of a process and its children.
pub(super) fn with_children(process: u32) -> Result<u64> {
    let first = Times::of(process)?;
    let processes = fs::read_dir("/proc").context("reading /proc")?.flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // One that ends meanwhile is missed by this reading.
    let children = ids.filter_map(|id| Times::of(id).ok()).filter(|times| times.parent == process);
    Ok(first.own + first.children + children.map(|times| times.own + times.children).sum::<u64>())
}

/// Kilobytes that a process and its children have in memory.
pub(super) fn resident(process: u32) -> Result<u64> {
    let own = resident_alone(process).with_context(|| format!("reading the memory of process {process}"))?;
    let processes = fs::read_dir("/proc").context("reading /proc")?.flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let children = ids.filter(|id| Times::of(*id).is_ok_and(|times| times.parent == process));
    Ok(own + children.filter_map(resident_alone).sum::<u64>())
}

/// proc_pid_status(5): `VmRSS:  1234 kB`.
fn resident_alone(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn machine() -> Result<u64> {
    let text = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    let line =
        text.lines().next().and_then(|line| line.strip_prefix("cpu ")).context("reading /proc/stat")?;
    let ticks: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    // user, nice, system; then idle, iowait; then irq and softirq.
    let busy = [0, 1, 2, 5, 6].iter().filter_map(|index| ticks.get(*index)).sum::<u64>();
    Ok(busy * MICROS_PER_TICK)
}

fn time() -> Result<u64> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).context("the time of day")?;
    u64::try_from(since_1970.as_micros()).context("the time of day")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_skipped() {
        let line = "7 (a ) b) S 3 7 7 0 -1 4194560 1 0 0 0 11 22 33 44 20 0 1 0 5 6 7";
        let times = Times::parse(line).unwrap();
        assert_eq!((times.parent, times.own, times.children), (3, 330_000, 770_000));
    }
}
