//! `cargo xtask bench import`: what it takes to bring people from another system, and to write them out again.

mod command;
mod people;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use postgres_cluster::{Binaries, Running, TemporaryCluster};

use self::command::{AuthService, Cost};
use super::auth::SERVER;
use crate::scratch::Scratch;
use crate::{build, interrupt, packages, workspace};

const DATABASE: &str = "bench_import";

/// What `cargo xtask bench import` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many people; several, separated by commas, to see what growth costs.
    #[arg(long, default_value = "100000,1000000", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    users: Vec<u32>,
    /// The profile that is measured: `fast`, `release` or `dev`.
    #[arg(long, default_value = "fast")]
    profile: String,
}

/// What was measured of so many people, in the order of [`STEPS`].
struct Round {
    users: u32,
    costs: Vec<Cost>,
}

const STEPS: [&str; 4] = ["rehearsal", "import", "the same again", "export"];

/// Builds, makes a server and the people, and prints the table.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(cfg!(target_os = "linux"), "CPU time and memory are read from /proc, which only Linux has");
    let installed = packages::postgres()?;
    build::package(&arguments.profile, "auth-service")?;
    let program = workspace::target()?.join(build::folder(&arguments.profile)).join("auth-service");
    let rounds = measure(arguments, &installed, &program)?;
    println!("\n{}", table(&rounds, &arguments.profile));
    Ok(ExitCode::SUCCESS)
}

fn measure(arguments: &Arguments, installed: &[Binaries], program: &Path) -> Result<Vec<Round>> {
    let scratch = Scratch::new("bench-import")?;
    let cluster = TemporaryCluster::start(installed, &SERVER)?;
    let server = cluster.running().context("the server")?;
    let rounds = arguments.users.iter().map(|users| {
        interrupt::check()?;
        round(*users, server, program, &scratch.0)
    });
    rounds.collect()
}

fn round(users: u32, server: &Running, program: &Path, folder: &Path) -> Result<Round> {
    println!("==> {users} people");
    for statement in ["DROP DATABASE IF EXISTS", "CREATE DATABASE"] {
        server.run("postgres", &format!("{statement} {DATABASE}"))?;
    }
    let file = folder.join(format!("{users}.ndjson"));
    people::write(&file, users)?;
    let out = folder.join(format!("{users}.out.ndjson"));
    let service =
        AuthService { program, database: server.superuser_url(DATABASE), postgres: server.id(), folder };
    service.run(&["migrate"])?;
    let costs = steps(&file, &out)?.iter().map(|step| service.run(step)).collect::<Result<_>>()?;
    let found = server.run(DATABASE, "SELECT count(*) FROM users")?;
    ensure!(found == users.to_string(), "{found} accounts came of {users} lines");
    // A million lines are a quarter of a gigabyte.
    for done in [file, out] {
        std::fs::remove_file(&done).with_context(|| format!("removing {}", done.display()))?;
    }
    Ok(Round { users, costs })
}

fn steps<'a>(file: &'a PathBuf, out: &'a PathBuf) -> Result<[Vec<&'a str>; 4]> {
    let text = |path: &'a PathBuf| path.to_str().context("a path that is no text");
    let (file, out) = (text(file)?, text(out)?);
    let import = vec!["users", "import", file];
    let rehearsal = [import.clone(), vec!["--dry-run"]].concat();
    Ok([rehearsal, import.clone(), import, vec!["users", "export", out]])
}

fn table(rounds: &[Round], profile: &str) -> String {
    let mut lines = vec![
        format!(
            "Profile {profile}, PostgreSQL as in `cargo xtask bench auth`; one client, all on this machine."
        ),
        "| people | | s | a second | CPU of auth-service, µs each | of PostgreSQL | peak memory, MiB |"
            .to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    for Round { users, costs } in rounds {
        for (step, cost) in STEPS.iter().zip(costs) {
            let (each, seconds) = (f64::from(*users), cost.seconds);
            lines.push(format!(
                "| {users} | {step} | {seconds:.1} | {:.0} | {:.1} | {:.1} | {:.1} |",
                each / seconds.max(f64::MIN_POSITIVE),
                cost.cpu_micros as f64 / each,
                cost.postgres_micros as f64 / each,
                cost.peak_kib as f64 / 1024.0,
            ));
        }
    }
    lines.join("\n")
}
