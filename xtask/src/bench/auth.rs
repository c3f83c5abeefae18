//! `cargo xtask bench auth`: what a refresh costs, from the gateway's door to the row.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use postgres_cluster::{Binaries, TemporaryCluster};

use super::load::{Load, Pgbench, Wrk};
use super::report::{self, Round};
use super::usage::Subjects;
use crate::scratch::Scratch;
use crate::stack::database::Server;
use crate::stack::environment::{Environment, Surroundings};
use crate::stack::gateway_file::SAMPLE_FRONTEND;
use crate::stack::ports::Ports;
use crate::stack::secrets::Settings;
use crate::stack::{self, processes::Processes};
use crate::{build, orphans, packages};

const FIRST_PORT: u16 = 24_000;
pub(super) const SEED: &str = include_str!("seed.sql");
pub(super) const DATABASE: &str = "portcullis_auth";
/// Statements are prepared, connections opened and pages read before anything is counted.
const WARM_UP_SECONDS: u64 = 2;

/// A server as one would run it, but for the wait for the disk: commits are acknowledged before they are there.
pub(super) const SERVER: [(&str, &str); 6] = [
    ("synchronous_commit", "off"),
    ("fsync", "on"),
    // How many pages are logged whole depends on when the last checkpoint was, not on what is measured.
    ("full_page_writes", "off"),
    ("shared_buffers", "512MB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "1h"),
];

/// What `cargo xtask bench auth` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How long each of the loads runs in a round.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many sessions there are; several, separated by commas, to see what growth costs.
    #[arg(long, default_value = "10000", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1_000..=5_000_000))]
    sessions: Vec<u32>,
    /// How often each is measured; the table shows the medians.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=25))]
    rounds: u32,
    /// The clients of the gateway.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    connections: u32,
    /// Measure the release profile, which takes minutes to build, instead of the one called `fast`.
    #[arg(long)]
    release: bool,
}

/// Builds, starts everything on this machine, loads it, prints the table.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(cfg!(target_os = "linux"), "CPU time is read from /proc, which only Linux has");
    let installed = packages::postgres()?;
    let wrk = packages::program(&["wrk"], "wrk")?;
    let binaries = build::for_use(if arguments.release { "release" } else { "fast" })?;
    orphans::adopt();
    let outcome = measure(arguments, &installed, &wrk, &binaries);
    orphans::end();
    outcome
}

fn measure(arguments: &Arguments, installed: &[Binaries], wrk: &Path, binaries: &Path) -> Result<ExitCode> {
    let scratch = Scratch::new("bench")?;
    let cluster = TemporaryCluster::start(installed, &SERVER)?;
    let running = cluster.running().context("the server")?;
    let server = Server { url: running.superuser_url("postgres"), psql: running.psql().clone() };
    let (settings, ports) = (settings()?, Ports::find_free(FIRST_PORT)?);
    server.prepare(&settings)?;
    let surroundings = Surroundings { frontend: SAMPLE_FRONTEND, folder: &scratch.0, binaries };
    let environment = Environment::new(&settings, &server, ports, &surroundings)?;
    let mut processes = stack::start(binaries, &environment)?;
    let url = running.superuser_url(DATABASE);
    let pgbench = pgbench_beside(installed, cluster.version())?;
    let bench = Bench {
        seconds: arguments.seconds,
        secret: settings.secret("JWT_SECRET")?,
        wrk: Wrk {
            program: wrk,
            gateway: ports.gateway,
            origin: SAMPLE_FRONTEND,
            connections: arguments.connections,
            folder: &scratch.0,
        },
        pgbench: Pgbench { program: &pgbench, url: &url, folder: &scratch.0 },
        subjects: subjects(&processes, running.id(), &server, &url)?,
        folder: &scratch.0,
    };
    let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); arguments.sessions.len()];
    for number in 1..=arguments.rounds {
        for (sessions, done) in arguments.sessions.iter().zip(&mut rounds) {
            println!("==> round {number} of {}, {sessions} sessions", arguments.rounds);
            done.push(bench.round(*sessions)?);
            processes.check()?;
        }
    }
    println!("\n{}", conditions(arguments, cluster.version()));
    println!("{}", report::table(&arguments.sessions, &rounds));
    Ok(ExitCode::SUCCESS)
}

/// Every refresh rotates, and nothing but warnings is logged, as in production.
fn settings() -> Result<Settings> {
    Ok(Settings::throwaway()?.with("REFRESH_GRACE", "0s").with("ALLOW_BOOTSTRAP", "false"))
}

pub(super) fn subjects<'a>(
    processes: &Processes,
    postgres: u32,
    server: &'a Server,
    url: &'a str,
) -> Result<Subjects<'a>> {
    let process = |name| processes.id(name).with_context(|| format!("{name} does not run"));
    Ok(Subjects {
        auth: process("auth-service")?,
        gateway: process("gateway")?,
        postgres,
        psql: &server.psql,
        url,
    })
}

/// The one that came with the server, so that both are of one version.
fn pgbench_beside(installed: &[Binaries], version: u32) -> Result<PathBuf> {
    let program = installed.iter().find(|binaries| binaries.version() == version).context("the server")?;
    let path = program.program("pgbench");
    ensure!(path.exists(), "{} is missing; it comes with PostgreSQL's contrib package", path.display());
    Ok(path)
}

fn conditions(arguments: &Arguments, version: u32) -> String {
    format!(
        "Refreshes: {} s a load, medians of {} rounds, {} clients of the gateway, 32 of pgbench, all on this machine.\n\
         PostgreSQL {version}, synchronous_commit=off; REFRESH_GRACE=0s, so every refresh rotates; profile {}.",
        arguments.seconds,
        arguments.rounds,
        arguments.connections,
        if arguments.release { "release" } else { "fast" },
    )
}

/// Everything that a round needs.
struct Bench<'a> {
    seconds: u64,
    secret: String,
    wrk: Wrk<'a>,
    pgbench: Pgbench<'a>,
    subjects: Subjects<'a>,
    folder: &'a Path,
}

impl Bench<'_> {
    /// The bare statement, then the whole way, each on freshly made sessions.
    fn round(&self, sessions: u32) -> Result<Round> {
        self.seed(sessions)?;
        self.pgbench.run(sessions, WARM_UP_SECONDS)?;
        let (bare, bare_usage) = self.counted(|| self.pgbench.run(sessions, self.seconds))?;
        let (warm_up, measured) = self.seed(sessions)?;
        self.wrk.run(&warm_up, WARM_UP_SECONDS)?;
        let (whole, usage) = self.counted(|| self.wrk.run(&measured, self.seconds))?;
        ensure!(
            whole.failed * 1_000 <= whole.count,
            "{} of {} refreshes failed; what is left of the log says why",
            whole.failed,
            whole.count
        );
        Ok(Round { bare, bare_usage, whole, usage })
    }

    fn counted(&self, load: impl FnOnce() -> Result<Load>) -> Result<(Load, super::usage::Usage)> {
        let before = self.subjects.read()?;
        let done = load()?;
        Ok((done, self.subjects.read()?.since(before)))
    }

    /// Makes the sessions and gives back two files of their tokens.
    fn seed(&self, sessions: u32) -> Result<(PathBuf, PathBuf)> {
        let (warm_up, measured) = (self.folder.join("warm-up"), self.folder.join("measured"));
        let script = SEED
            .replace("{secret}", &self.secret)
            .replace("{sessions}", &sessions.to_string())
            .replace("{warm_up}", &warm_up.display().to_string())
            .replace("{measured}", &measured.display().to_string());
        self.subjects.psql.run(self.subjects.url, &script).context("making the sessions")?;
        Ok((warm_up, measured))
    }
}
