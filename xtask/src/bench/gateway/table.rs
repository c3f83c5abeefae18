//! The tables that are printed: medians over the rounds, and the bars of the design.

use std::time::Duration;

use super::Figures;
use super::paced::Waits;
use super::subjects::Subject;

/// A round in which a proxy used less of its processor says more about the load than about the proxy.
pub(super) const LEAST_BUSY: f64 = 0.9;

/// One figure over another.
struct Ratio {
    name: &'static str,
    of: &'static str,
    to: &'static str,
    bar: &'static str,
}

const RATIOS: [Ratio; 4] = [
    Ratio { name: "ours over the same header work", of: "ours", to: "haproxy-headers", bar: "<= 1.10" },
    Ratio { name: "haproxy-es256 over ours", of: "haproxy-es256", to: "ours", bar: ">= 4.5" },
    Ratio { name: "100,000 tokens over 1,000", of: "ours-100k", to: "ours", bar: "<= 1.3" },
    Ratio {
        name: "first sight over haproxy-es256",
        of: "ours-first-sight",
        to: "haproxy-es256",
        bar: "<= 0.8",
    },
];

/// One round's figures in a line.
pub(super) fn brief(figures: &Figures) -> String {
    let Figures { load, cpu, busy, .. } = figures;
    format!("{:>9.0}/s {cpu:>7.2} µs, {:.0} % busy", load.per_second, 100.0 * busy)
}

/// A line for each proxy, then what they are to each other.
pub(super) fn table(subjects: &[&Subject], rounds: &[Vec<Figures>]) -> String {
    let mut lines = vec![format!(
        "{:<18} {:>10} {:>12} {:>8} {:>8} {:>9} {:>7}",
        "", "requests/s", "CPU µs each", "p50 ms", "p99 ms", "RSS MB", "failed"
    )];
    lines.extend(subjects.iter().zip(rounds).map(|(subject, rounds)| line(subject.name, rounds)));
    let cpu = |name: &str| {
        let (_, rounds) = subjects.iter().zip(rounds).find(|(subject, _)| subject.name == name)?;
        median(rounds, |figures| figures.cpu)
    };
    lines.extend(RATIOS.iter().filter_map(|ratio| {
        let figure = cpu(ratio.of)? / cpu(ratio.to)?;
        Some(format!("{:<34} {figure:>6.2}  {}", ratio.name, ratio.bar))
    }));
    lines.join("\n")
}

fn line(name: &str, rounds: &[Figures]) -> String {
    let figure = |of: fn(&Figures) -> f64| median(rounds, of).unwrap_or(f64::NAN);
    format!(
        "{name:<18} {:>10.0} {:>12.2} {:>8.2} {:>8.2} {:>9.1} {:>7.0}",
        figure(|figures| figures.load.per_second),
        figure(|figures| figures.cpu),
        figure(|figures| figures.load.p50 / 1_000.0),
        figure(|figures| figures.load.p99 / 1_000.0),
        figure(|figures| figures.resident as f64 / 1_024.0),
        figure(|figures| figures.load.failed as f64),
    )
}

/// Half of what ours does in a second, if it was measured beside HAProxy.
pub(super) fn half_of_ours(subjects: &[&Subject], rounds: &[Vec<Figures>]) -> Option<f64> {
    let of = |name: &str| {
        let (_, rounds) = subjects.iter().zip(rounds).find(|(subject, _)| subject.name == name)?;
        median(rounds, |figures| figures.load.per_second)
    };
    of("haproxy-plain")?;
    Some(of("ours")? / 2.0)
}

/// How long requests waited at a fixed rate.
pub(super) fn paced(rate: f64, subjects: &[&Subject], rounds: &[Vec<Waits>]) -> String {
    let mut lines = vec![format!("At {rate:.0} requests/s, from when they were due:")];
    let micros = |wait: Duration| wait.as_secs_f64() * 1e6;
    let p99 = |rounds: &Vec<Waits>| median(rounds, |waits| micros(waits.p99)).unwrap_or(f64::NAN);
    lines.extend(subjects.iter().zip(rounds).map(|(subject, rounds)| {
        let p50 = median(rounds, |waits| micros(waits.p50)).unwrap_or(f64::NAN);
        let rate = median(rounds, |waits| waits.per_second).unwrap_or(f64::NAN);
        format!("{:<18} p50 {p50:>7.0} µs  p99 {:>7.0} µs  {rate:>8.0}/s", subject.name, p99(rounds))
    }));
    if let [ours, theirs] = rounds {
        lines.push(format!("{:<34} {:>6.2}  <= 1.2", "p99 ours over HAProxy's", p99(ours) / p99(theirs)));
    }
    lines.join("\n")
}

fn median<T>(rounds: &[T], figure: impl Fn(&T) -> f64) -> Option<f64> {
    let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}
