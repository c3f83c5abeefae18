//! `cargo xtask bench gateway`: what a verified request costs, beside other proxies on the same machine.
//!
//! The proxy has the first processor to itself; load and upstream share the second one.

mod paced;
mod peers;
mod proxy;
mod subjects;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use self::paced::Paced;
use self::proxy::{Proxy, Start};
use self::subjects::{SUBJECTS, Subject, Tokens};
use super::load::{Load, output, parse_wrk};
use crate::scratch::Scratch;
use crate::stack::secrets::Settings;
use crate::{build, interrupt, orphans, packages, workspace};

const LUA: &str = include_str!("requests.lua");
/// Connections are opened, and each token that is to be known has been seen, before anything is counted.
const WARM_UP_SECONDS: u64 = 2;
/// What the slowest proxy does in a second, so that it has seen every token.
const LEAST_PER_SECOND: u64 = 4_000;
const FEW: u32 = 1_000;
const MANY: u32 = 100_000;
/// More than any proxy verifies in the longest run.
const UNSEEN_PER_SECOND: u64 = 30_000;

/// What `cargo xtask bench gateway` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How long each proxy is loaded in a round.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(2..=60))]
    seconds: u64,
    /// How often each is measured, by turns; the table shows the medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=25))]
    rounds: u32,
    /// The proxy's clients.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    connections: u32,
    /// Only these, separated by commas; the table of docs/benchmarks.md names them.
    #[arg(long, value_delimiter = ',', value_parser = subjects::names())]
    only: Vec<String>,
    /// The profile that is measured: `fast`, `release` or `dev`.
    #[arg(long, default_value = "fast")]
    profile: String,
}

/// One proxy's figures of one round.
#[derive(Debug, Clone, Copy)]
struct Figures {
    load: Load,
    /// Microseconds of CPU a request, of all its processes.
    cpu: f64,
    /// How much of its processor it used, 0 to 1.
    busy: f64,
    /// Kilobytes that were resident at the end.
    resident: u64,
}

/// Builds, fetches the others, measures by turns, prints the table.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(cfg!(target_os = "linux"), "CPU time is read from /proc, which only Linux has");
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    ensure!(processors > 1, "the proxy and its load need a processor each");
    let wanted = subjects::wanted(&arguments.only);
    let wrk = packages::program(&["wrk"], "wrk")?;
    let programs = peers::programs(&wanted)?;
    build::package(&arguments.profile, "gateway")?;
    build::example(&arguments.profile, "gateway", "bench_tokens")?;
    orphans::adopt();
    let outcome = Bench::new(arguments, wrk, programs).and_then(|bench| bench.measure(&wanted));
    orphans::end();
    outcome
}

/// Everything that a round needs.
struct Bench<'a> {
    arguments: &'a Arguments,
    wrk: PathBuf,
    start: Start,
    scratch: Scratch,
}

impl<'a> Bench<'a> {
    fn new(arguments: &'a Arguments, wrk: PathBuf, mut programs: peers::Programs) -> Result<Self> {
        let scratch = Scratch::new("bench-gateway")?;
        let binaries = workspace::target()?.join(build::folder(&arguments.profile));
        programs.ours = binaries.join("gateway");
        println!("==> making tokens");
        let unseen = arguments.seconds * UNSEEN_PER_SECOND;
        let mut command = Command::new(binaries.join("examples/bench_tokens"));
        command.arg(&scratch.0).args([MANY.to_string(), unseen.to_string()]);
        build::run(command)?;
        let tokens = fs::read_to_string(scratch.0.join("tokens")).context("reading the tokens")?;
        let few: String = tokens.split_inclusive('\n').take(FEW as usize).collect();
        fs::write(scratch.0.join("few"), few).context("writing tokens")?;
        fs::write(scratch.0.join("requests.lua"), LUA).context("writing the script for wrk")?;
        let identity_key = Settings::throwaway()?.secret("IDENTITY_KEY")?;
        let start = Start::new(programs, scratch.0.clone(), identity_key)?;
        Ok(Self { arguments, wrk, start, scratch })
    }

    fn measure(&self, wanted: &[&'static Subject]) -> Result<ExitCode> {
        let _upstream = self.start.upstream()?;
        let mut rounds: Vec<Vec<Figures>> = vec![Vec::new(); wanted.len()];
        for round in 1..=self.arguments.rounds {
            for (subject, kept) in wanted.iter().zip(&mut rounds) {
                let figures = self.one(subject)?;
                let enough = figures.busy >= table::LEAST_BUSY;
                println!(
                    "round {round}: {:<18} {}{}",
                    subject.name,
                    table::brief(&figures),
                    if enough { "" } else { "  discarded: its processor was not busy enough" }
                );
                if enough {
                    kept.push(figures);
                }
            }
        }
        println!("\n{}", table::table(wanted, &rounds));
        if let Some(rate) = table::half_of_ours(wanted, &rounds) {
            println!("\n{}", self.at_a_fixed_rate(rate)?);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn one(&self, subject: &'static Subject) -> Result<Figures> {
        let proxy = self.start.proxy(subject)?;
        let known = self.tokens(if subject.tokens == Tokens::Unseen { Tokens::Few } else { subject.tokens });
        let warm_up = if subject.tokens == Tokens::Many { u64::from(MANY) / LEAST_PER_SECOND } else { 0 };
        self.load(&proxy, &known, WARM_UP_SECONDS + warm_up)?;
        let before = proxy.cpu()?;
        let load = self.load(&proxy, &self.tokens(subject.tokens), self.arguments.seconds)?;
        let cpu = (proxy.cpu()? - before) as f64;
        ensure!(
            load.failed * 1_000 <= load.count,
            "{} of {} requests to {} failed",
            load.failed,
            load.count,
            subject.name
        );
        let unseen = self.arguments.seconds * UNSEEN_PER_SECOND;
        ensure!(subject.tokens != Tokens::Unseen || load.count <= unseen, "the unseen tokens ran out");
        let seconds = load.count as f64 / load.per_second;
        Ok(Figures {
            load,
            cpu: cpu / load.count.max(1) as f64,
            busy: cpu / 1e6 / seconds,
            resident: proxy.resident()?,
        })
    }

    fn tokens(&self, tokens: Tokens) -> PathBuf {
        let file = match tokens {
            Tokens::None => return PathBuf::new(),
            Tokens::Few => "few",
            Tokens::Many => "tokens",
            Tokens::Unseen => "unseen",
        };
        self.scratch.0.join(file)
    }

    fn load(&self, proxy: &Proxy, tokens: &Path, seconds: u64) -> Result<Load> {
        let mut command = self.start.on_the_second_processor(&self.wrk);
        command
            .args(["--threads=1", "--timeout=5s"])
            .arg(format!("--connections={}", self.arguments.connections))
            .arg(format!("--duration={seconds}s"))
            .arg(format!("--script={}", self.scratch.0.join("requests.lua").display()))
            .arg(format!("http://127.0.0.1:{}", proxy.port))
            .env("TOKENS_FILE", tokens);
        interrupt::check()?;
        parse_wrk(&output(command)?)
    }

    /// Ours and HAProxy as it comes, by turns, at half of what ours can do.
    fn at_a_fixed_rate(&self, rate: f64) -> Result<String> {
        let compared: Vec<_> =
            SUBJECTS.iter().filter(|subject| ["ours", "haproxy-plain"].contains(&subject.name)).collect();
        let tokens = fs::read_to_string(self.tokens(Tokens::Few)).context("reading the tokens")?;
        let mut rounds = vec![Vec::new(); compared.len()];
        for _ in 0..self.arguments.rounds {
            for (subject, answered) in compared.iter().zip(&mut rounds) {
                let proxy = self.start.proxy(subject)?;
                let tokens = if subject.tokens == Tokens::None { "" } else { &tokens };
                let paced = Paced { port: proxy.port, connections: self.arguments.connections, rate, tokens };
                paced.run(WARM_UP_SECONDS)?;
                answered.push(paced.run(self.arguments.seconds)?);
            }
        }
        Ok(table::paced(rate, &compared, &rounds))
    }
}
