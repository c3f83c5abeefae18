//! Hashes of one cost on one thread, with nothing around them: what `cargo xtask bench logins` compares logins with.
//!
//! `bare_bcrypt COST SECONDS` prints the microseconds of CPU and of time that one took.

#![expect(clippy::print_stdout, reason = "the figures are for the program that started this one")]

use std::time::{Duration, Instant};

use anyhow::Context as _;

/// `/proc` counts in hundredths of a second on every Linux (proc(5), USER_HZ).
const MICROS_PER_TICK: u64 = 10_000;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let cost = arguments.next().context("COST is missing")?.parse().context("COST")?;
    let seconds = arguments.next().context("SECONDS is missing")?.parse().context("SECONDS")?;
    let (begun, cpu, mut count) = (Instant::now(), cpu_micros()?, 0_u32);
    while count == 0 || begun.elapsed() < Duration::from_secs(seconds) {
        std::hint::black_box(bcrypt::hash("as good as any other", cost)?);
        count += 1;
    }
    let cpu = (cpu_micros()? - cpu) as f64 / f64::from(count);
    println!("{cpu} {}", begun.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    Ok(())
}

/// User and system time of this process: the 14th and 15th field of proc_pid_stat(5).
fn cpu_micros() -> anyhow::Result<u64> {
    let line = std::fs::read_to_string("/proc/self/stat").context("reading /proc/self/stat")?;
    let fields: Vec<_> = line.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    Ok((ticks(13).context("utime")? + ticks(14).context("stime")?) * MICROS_PER_TICK)
}
