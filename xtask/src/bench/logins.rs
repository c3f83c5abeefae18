//! `cargo xtask bench logins`: what logins cost, and what they and refreshes do to each other.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use postgres_cluster::{Binaries, TemporaryCluster};

use super::auth::{DATABASE, SEED, SERVER, subjects};
use super::flood::{Answers, Crowd};
use super::load::{Load, Wrk};
use super::usage::Subjects;
use crate::http::Request;
use crate::scratch::Scratch;
use crate::stack::database::Server;
use crate::stack::environment::{Environment, Surroundings};
use crate::stack::gateway_file::SAMPLE_FRONTEND;
use crate::stack::ports::Ports;
use crate::stack::secrets::Settings;
use crate::{build, orphans, packages, stack};

const FIRST_PORT: u16 = 24_500;
const SESSIONS: u32 = 20_000;
const PASSWORD: &str = "a lamp in the fog at last";
/// Each client of the quiet load waits up to twice as long between two refreshes.
const PAUSE_MS: u32 = 60;

/// What `cargo xtask bench logins` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How long refreshes are measured, quiet and under each flood.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=600))]
    seconds: u64,
    /// How long logins alone are measured.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(2..=600))]
    login_seconds: u64,
    /// What a hash costs.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(8..=14))]
    cost: u32,
    /// The profile that is measured: `fast`, `release` or `dev`.
    #[arg(long, default_value = "fast")]
    profile: String,
}

/// Hashes without anything around them.
#[derive(Debug, Clone, Copy)]
struct Bare {
    cpu_micros: f64,
    wall_micros: f64,
}

/// Everything that was measured.
struct Figures {
    bare: Bare,
    threads: usize,
    quiet: Load,
    flooded: (Load, Answers),
    alone: Answers,
    /// CPU of the auth service's process.
    alone_cpu_micros: u64,
    saturated: (Load, Answers),
}

/// Builds, starts everything on this machine, loads it, prints the table.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(cfg!(target_os = "linux"), "CPU time is read from /proc, which only Linux has");
    let installed = packages::postgres()?;
    let wrk = packages::program(&["wrk"], "wrk")?;
    let binaries = build::for_use(&arguments.profile)?;
    build::example(&arguments.profile, "auth-service", "bare_bcrypt")?;
    orphans::adopt();
    let outcome = measure(arguments, &installed, &wrk, &binaries);
    orphans::end();
    outcome
}

fn measure(arguments: &Arguments, installed: &[Binaries], wrk: &Path, binaries: &Path) -> Result<ExitCode> {
    println!("==> bare hashes of cost {}", arguments.cost);
    let bare = Bare::measure(binaries, arguments.cost)?;
    let scratch = Scratch::new("bench-logins")?;
    let cluster = TemporaryCluster::start(installed, &SERVER)?;
    let running = cluster.running().context("the server")?;
    let server = Server { url: running.superuser_url("postgres"), psql: running.psql().clone() };
    let (settings, ports) = (settings(arguments.cost)?, Ports::find_free(FIRST_PORT)?);
    server.prepare(&settings)?;
    let surroundings = Surroundings { frontend: SAMPLE_FRONTEND, folder: &scratch.0, binaries };
    let environment = Environment::new(&settings, &server, ports, &surroundings)?;
    let mut processes = stack::start(binaries, &environment)?;
    let url = running.superuser_url(DATABASE);
    let bench = Bench {
        secret: settings.secret("JWT_SECRET")?,
        wrk: Wrk {
            program: wrk,
            gateway: ports.gateway,
            origin: SAMPLE_FRONTEND,
            connections: 64,
            folder: &scratch.0,
        },
        subjects: subjects(&processes, running.id(), &server, &url)?,
        folder: &scratch.0,
    };
    let figures = bench.measure(arguments, bare)?;
    processes.check()?;
    println!("\n{}", figures.table(arguments));
    Ok(ExitCode::SUCCESS)
}

fn settings(cost: u32) -> Result<Settings> {
    let settings = Settings::throwaway()?.with("REFRESH_GRACE", "0s").with("ALLOW_BOOTSTRAP", "false");
    // Each login that is sent away for want of room is a warning.
    Ok(settings.with("BCRYPT_COST", &cost.to_string()).with("LOG", "error"))
}

impl Bare {
    /// The same crate, built as the service is, on one thread with nothing to do beside it.
    fn measure(binaries: &Path, cost: u32) -> Result<Self> {
        let program = binaries.join("examples/bare_bcrypt");
        let output = Command::new(&program).args([cost.to_string(), "5".to_owned()]).output();
        let output = output.with_context(|| format!("running {}", program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [cpu_micros, wall_micros] = words[..] else { anyhow::bail!("bare_bcrypt printed `{text}`") };
        Ok(Self { cpu_micros, wall_micros })
    }

    /// Hashes a second on so many threads, if each has a processor to itself.
    fn capacity(self, threads: usize) -> f64 {
        threads as f64 * 1e6 / self.cpu_micros
    }
}

/// Everything that a load needs.
struct Bench<'a> {
    secret: String,
    wrk: Wrk<'a>,
    subjects: Subjects<'a>,
    folder: &'a Path,
}

impl Bench<'_> {
    fn measure(&self, arguments: &Arguments, bare: Bare) -> Result<Figures> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1);
        let capacity = bare.capacity(threads);
        let crowd = |times: f64| Crowd {
            gateway: self.wrk.gateway,
            accounts: SESSIONS,
            password: PASSWORD,
            rate: times * capacity,
        };
        println!("==> refreshes alone");
        let tokens = self.seed()?;
        let quiet = self.wrk.run_paced(&tokens, arguments.seconds, PAUSE_MS)?;
        println!("==> refreshes while logins arrive at four times what can be hashed");
        let tokens = self.seed()?;
        let (load, answers) = crowd(4.0).during(|| self.wrk.run_paced(&tokens, arguments.seconds, PAUSE_MS));
        let flooded = (load?, answers);
        println!("==> logins alone, at twice what can be hashed");
        let before = self.subjects.read()?;
        let pause = std::time::Duration::from_secs(arguments.login_seconds);
        let ((), alone) = crowd(2.0).during(|| std::thread::sleep(pause));
        let alone_cpu_micros = self.subjects.read()?.since(before).auth;
        println!("==> logins while refreshes take all there is");
        let tokens = self.seed()?;
        let (load, answers) = crowd(2.0).during(|| self.wrk.run(&tokens, arguments.seconds));
        Ok(Figures { bare, threads, quiet, flooded, alone, alone_cpu_micros, saturated: (load?, answers) })
    }

    /// Makes accounts that can log in, and sessions; answers the file of their tokens.
    fn seed(&self) -> Result<PathBuf> {
        let (spare, tokens) = (self.folder.join("spare"), self.folder.join("tokens"));
        let script = SEED
            .replace("{secret}", &self.secret)
            .replace("{sessions}", &SESSIONS.to_string())
            .replace("{warm_up}", &spare.display().to_string())
            .replace("{measured}", &tokens.display().to_string());
        self.subjects.psql.run(self.subjects.url, &script).context("making the sessions")?;
        let account = format!(r#"{{"email":"first@example.com","password":"{PASSWORD}"}}"#);
        let register =
            Request { body: Some(&account), ..Request::new(self.wrk.gateway, "POST", "/api/auth/register") };
        let status = register.send()?.status;
        ensure!(status == 201, "the first account was not made: {status}");
        let same = "UPDATE users SET password_hash = first.password_hash FROM users AS first \
                    WHERE first.email = 'first@example.com'; TRUNCATE throttles; VACUUM ANALYZE users";
        for statement in same.split("; ") {
            self.subjects.psql.run(self.subjects.url, statement).context("giving all the same password")?;
        }
        Ok(tokens)
    }
}

impl Figures {
    fn table(&self, arguments: &Arguments) -> String {
        let Self { bare, threads, quiet, flooded, alone, saturated, .. } = self;
        let capacity = bare.capacity(*threads);
        let a_login = self.alone_cpu_micros as f64 / alone.count(200).max(1) as f64;
        let counts = |answers: &Answers| {
            let [ok, full, many] = [200, 503, 429].map(|status| answers.count(status));
            format!("{ok} let in, {full} × 503, {many} × 429, {} errors", answers.errors())
        };
        let ms = |micros: f64| micros / 1_000.0;
        [
            format!(
                "Logins: cost {}, {threads} hash threads, {} s of logins, {} s of refreshes, profile {}.",
                arguments.cost, arguments.login_seconds, arguments.seconds, arguments.profile
            ),
            format!(
                "bare hash                             {:>9.1} ms CPU, {:.1} ms",
                ms(bare.cpu_micros),
                ms(bare.wall_micros)
            ),
            format!("  a second on {threads} threads               {capacity:>9.2}"),
            format!("refresh p50, p99, ms, alone           {:>9.2} {:>9.2}", ms(quiet.p50), ms(quiet.p99)),
            format!(
                "  under 4 × capacity of logins        {:>9.2} {:>9.2}",
                ms(flooded.0.p50),
                ms(flooded.0.p99)
            ),
            format!("  p99 ratio                           {:>9.2}  <= 2", flooded.0.p99 / quiet.p99),
            format!("  failed refreshes                    {:>9}  0", quiet.failed + flooded.0.failed),
            format!("  logins: {}", counts(&flooded.1)),
            format!("logins/s alone                        {:>9.2}", alone.per_second()),
            format!(
                "  share of bare hashes by the clock, %{:>9.1}",
                100.0 * alone.per_second() * bare.wall_micros / 1e6 / *threads as f64
            ),
            format!("  CPU a login, ms                     {:>9.1}", ms(a_login)),
            format!(
                "  bare hash over that, %              {:>9.1}  >= 97",
                100.0 * bare.cpu_micros / a_login
            ),
            format!("  logins: {}", counts(alone)),
            format!("logins/s while refreshes saturate     {:>9.2}", saturated.1.per_second()),
            format!(
                "  share of bare hashes, %             {:>9.1}  >= 10",
                100.0 * saturated.1.per_second() / capacity
            ),
            format!("  refreshes/s beside them             {:>9.0}", saturated.0.per_second),
            format!("  logins: {}", counts(&saturated.1)),
        ]
        .join("\n")
    }
}
