//! `cargo xtask up`: from a checkout to a running Portcullis with something to try.

mod lock;
mod postgres;
mod tour;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::stack::environment::{Environment, Surroundings};
use crate::stack::gateway_file::SAMPLE_FRONTEND;
use crate::stack::ports::{self, Ports};
use crate::stack::processes::Processes;
use crate::stack::secrets::Settings;
use crate::stack::{self, accounts};
use crate::{build, interrupt, workspace};
use postgres::Postgres;

pub(crate) use tour::Tour;

const POLL: Duration = Duration::from_millis(100);

/// What `cargo xtask up` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Build with the release profile: slower to build, and as fast as it gets.
    #[arg(long)]
    release: bool,
    /// Throw the databases and the secrets away first.
    #[arg(long)]
    reset: bool,
    /// The gateway's port; the others follow it (+1, +2, +1000…, PostgreSQL +2000).
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=60_000))]
    port: Option<u16>,
}

/// Runs until Ctrl-C, or until a process ends by itself.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = workspace::state();
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let _lock = lock::take(&folder)?;
    let env_file = workspace::root().join(".env");
    if arguments.reset {
        postgres::reset(&env_file)?;
    }
    let settings = Settings::read_or_make(&env_file)?;
    let ports = choose_ports(arguments, &settings)?;
    let database = Postgres::choose(&settings)?;
    ports.end_leftovers(&folder);
    ports.check_free(database.is_private())?;

    say("building auth-service, business-api and gateway");
    let binaries = build::for_use(if arguments.release { "release" } else { "dev" })?;
    let mut database = database.start(ports.postgres())?;
    database.server()?.prepare(&settings)?;
    let surroundings = Surroundings { frontend: SAMPLE_FRONTEND, folder: &folder, binaries: &binaries };
    let environment = Environment::new(&settings, &database.server()?, ports, &surroundings)?;
    say("starting");
    let mut processes = stack::start(&binaries, &environment)?;
    accounts::make_demo(&environment, &binaries)?;
    println!("{}", Tour::new(ports, &cookie_jar(&folder)?));
    let outcome = wait(&mut processes, &mut database);
    say("stopping");
    drop(processes);
    database.stop()?;
    say("stopped; the data is kept");
    outcome
}

/// Waits for Ctrl-C, which is the ordinary end here and counts as success.
fn wait(processes: &mut Processes, database: &mut Postgres) -> Result<ExitCode> {
    while !interrupt::requested() {
        processes.check()?;
        database.check()?;
        std::thread::sleep(POLL);
    }
    Ok(ExitCode::SUCCESS)
}

/// The tour's cookies are a session, so they stay in a folder of their owner's.
fn cookie_jar(folder: &Path) -> Result<PathBuf> {
    let tour = folder.join("tour");
    std::fs::create_dir_all(&tour)
        .and_then(|()| std::fs::set_permissions(&tour, std::fs::Permissions::from_mode(0o700)))
        .with_context(|| format!("creating {}", tour.display()))?;
    Ok(tour.join("cookies.txt"))
}

fn choose_ports(arguments: &Arguments, settings: &Settings) -> Result<Ports> {
    let set = settings.get("PORT");
    let port = match (arguments.port, &set) {
        (Some(port), _) => port,
        (None, Some(text)) => text.parse().with_context(|| format!("PORT is {text:?}, which is no port"))?,
        (None, None) => ports::DEFAULT,
    };
    anyhow::ensure!(
        (1..=60_000).contains(&port),
        "PORT may be 1 to 60000, because the other ports follow it"
    );
    Ok(Ports { gateway: port })
}

/// One step of progress.
fn say(step: &str) {
    println!("==> {step}");
}

/// The state folder relative to where people are, when that is shorter to read.
pub(crate) fn readable(path: &Path) -> String {
    path.strip_prefix(workspace::root()).unwrap_or(path).display().to_string()
}
