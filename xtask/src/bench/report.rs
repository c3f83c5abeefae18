//! The table that is printed: medians over the rounds, beside the bars of the design.

use super::load::Load;
use super::usage::Usage;

/// What one round measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) bare: Load,
    pub(crate) bare_usage: Usage,
    pub(crate) whole: Load,
    pub(crate) usage: Usage,
}

/// A line of the table: its name, its bar, and how a round's figure is had.
struct Line {
    name: &'static str,
    bar: &'static str,
    figure: fn(&Round) -> f64,
    digits: usize,
}

const fn line(name: &'static str, bar: &'static str, digits: usize, figure: fn(&Round) -> f64) -> Line {
    Line { name, bar, figure, digits }
}

const LINES: [Line; 18] = [
    line("refreshes/s through the gateway", "", 0, |round| round.whole.per_second),
    line("bare statement/s (pgbench)", "", 0, |round| round.bare.per_second),
    line("  share, %", ">= 45", 1, |round| 100.0 * round.whole.per_second / round.bare.per_second),
    line("auth service CPU, µs a refresh", "<= 75", 1, |round| per(round.usage.auth, round.whole)),
    line("gateway CPU, µs a refresh", "", 1, |round| per(round.usage.gateway, round.whole)),
    line("PostgreSQL CPU, µs a refresh", "", 1, |round| per(round.usage.postgres, round.whole)),
    line("  bare statement", "", 1, |round| per(round.bare_usage.postgres, round.bare)),
    line("  ratio", "<= 1.1", 2, |round| {
        per(round.usage.postgres, round.whole) / per(round.bare_usage.postgres, round.bare)
    }),
    line("write-ahead log, bytes a refresh", "", 0, |round| per(round.usage.log, round.whole)),
    line("  bare statement", "", 0, |round| per(round.bare_usage.log, round.bare)),
    line("  ratio", "<= 1.1", 2, |round| {
        per(round.usage.log, round.whole) / per(round.bare_usage.log, round.bare)
    }),
    line("refresh p50, ms", "", 2, |round| round.whole.p50 / 1_000.0),
    line("refresh p99, ms", "", 2, |round| round.whole.p99 / 1_000.0),
    line("bare statement p50, ms", "", 2, |round| round.bare.p50 / 1_000.0),
    line("bare statement p99, ms", "", 2, |round| round.bare.p99 / 1_000.0),
    line("failed refreshes", "0", 0, |round| round.whole.failed as f64),
    line("processors busy during refreshes", "", 2, |round| busy(round.usage.machine, round.usage)),
    line("  of that, with what is measured", "", 2, |round| {
        busy(round.usage.auth + round.usage.gateway + round.usage.postgres, round.usage)
    }),
];

/// A column for each number of sessions; with several, how the percentiles grew from the first to the last.
pub(crate) fn table(sessions: &[u32], rounds: &[Vec<Round>]) -> String {
    let heads: Vec<String> = sessions.iter().map(|sessions| format!("{sessions} sessions")).collect();
    let mut lines = vec![row("", &heads, "bar")];
    lines.extend(LINES.iter().map(|line| {
        let figures: Vec<_> =
            rounds.iter().map(|rounds| format!("{:.*}", line.digits, median(rounds, line.figure))).collect();
        row(line.name, &figures, line.bar)
    }));
    if let [first, .., last] = rounds {
        lines.push(growth("p50 growth over pgbench's", first, last, |load| load.p50));
        lines.push(growth("p99 growth over pgbench's", first, last, |load| load.p99));
    }
    lines.join("\n")
}

fn growth(name: &str, small: &[Round], large: &[Round], percentile: fn(&Load) -> f64) -> String {
    let whole = |rounds| median(rounds, |round| percentile(&round.whole));
    let bare = |rounds| median(rounds, |round| percentile(&round.bare));
    let figure = (whole(large) / whole(small)) / (bare(large) / bare(small));
    row(name, &[format!("{figure:.2}")], "<= 1.2")
}

fn row(name: &str, figures: &[String], bar: &str) -> String {
    let columns: String = figures.iter().map(|figure| format!("{figure:>18}")).collect();
    format!("{name:<34}{columns}  {bar}").trim_end().to_owned()
}

fn per(total: u64, load: Load) -> f64 {
    total as f64 / load.count.max(1) as f64
}

fn busy(micros: u64, usage: Usage) -> f64 {
    micros as f64 / usage.time.max(1) as f64
}

fn median(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
