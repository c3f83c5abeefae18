//! `cargo xtask e2e`: the tour and the browser, against a Portcullis that exists only for this run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use postgres_cluster::TemporaryCluster;

use crate::scratch::Scratch;
use crate::stack::database::Server;
use crate::stack::environment::{Environment, Surroundings};
use crate::stack::ports::Ports;
use crate::stack::secrets::Settings;
use crate::stack::{self, accounts};
use crate::up::Tour;
use crate::{build, interrupt, orphans, packages, workspace};

/// Below Linux's ephemeral ports, above everybody's favourites.
const FIRST_PORT: u16 = 22_000;

/// Installs what is missing, builds, starts, tries, stops.
pub(crate) fn run() -> Result<ExitCode> {
    let installed = packages::postgres()?;
    let browser = Browser::prepare()?;
    let binaries = build::for_tests()?;
    orphans::adopt();
    let outcome = with_portcullis(&installed, &binaries, &browser);
    orphans::end();
    outcome.map(|()| ExitCode::SUCCESS)
}

fn with_portcullis(
    installed: &[postgres_cluster::Binaries],
    binaries: &Path,
    browser: &Browser,
) -> Result<()> {
    let scratch = Scratch::new("e2e")?;
    let cluster = TemporaryCluster::start(installed, &[])?;
    let running = cluster.running().context("the test server")?;
    let server = Server { url: running.superuser_url("postgres"), psql: running.psql().clone() };
    let (settings, ports) = (Settings::throwaway()?, Ports::find_free(FIRST_PORT)?);
    server.prepare(&settings)?;
    let frontend = format!("http://localhost:{}", ports.frontend());
    let surroundings = Surroundings { frontend: &frontend, folder: &scratch.0, binaries };
    let environment = Environment::new(&settings, &server, ports, &surroundings)?;
    let mut processes = stack::start(binaries, &environment)?;
    accounts::make_demo(&environment, binaries)?;
    follow(&Tour::new(ports, &scratch.0.join("cookies.txt")))?;
    browser.test(ports)?;
    processes.check()
}

/// Pastes the tour into one shell, line by line, and holds each line to its promise.
fn follow(tour: &Tour) -> Result<()> {
    const MARK: &str = "@@@ next line @@@";
    let script: Vec<_> = tour.steps().iter().map(|step| format!("{}\necho '{MARK}'", step.line)).collect();
    let output =
        Command::new("bash").arg("-c").arg(script.join("\n")).output().context("running the tour in bash")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for (step, printed) in tour.steps().iter().zip(text.split(MARK)) {
        ensure!(printed.contains(step.prints), "tour: {}\n$ {}\n{printed}", step.title, step.line);
        println!("tour: {} ... ok", step.title);
    }
    Ok(())
}

/// Chromium and the script that drives it.
#[derive(Debug)]
struct Browser {
    chromium: PathBuf,
    node: PathBuf,
    folder: PathBuf,
}

impl Browser {
    fn prepare() -> Result<Self> {
        let folder = workspace::root().join("tests/browser");
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let chromium = packages::program(&names, "chromium")?;
        let node = packages::program(&["node", "nodejs"], "nodejs")?;
        let npm = packages::program(&["npm"], "npm")?;
        if !is_current(&folder) {
            let mut command = Command::new(npm);
            command.arg("ci").current_dir(&folder);
            build::run(command)?;
        }
        Ok(Self { chromium, node, folder })
    }

    fn test(&self, ports: Ports) -> Result<()> {
        let mut command = Command::new(&self.node);
        command
            .args(["--test", "--test-reporter=spec"])
            .arg("session.test.mjs")
            .current_dir(&self.folder)
            .env("GATEWAY", format!("http://localhost:{}", ports.gateway))
            .env("FRONTEND_PORT", ports.frontend().to_string())
            .env("FOREIGN_PORT", ports.foreign().to_string())
            .env("CHROMIUM", &self.chromium)
            .env("EMAIL", accounts::USER.email)
            .env("PASSWORD", accounts::USER.password);
        let status = interrupt::status(command)?;
        ensure!(status.success(), "the browser test failed");
        Ok(())
    }
}

/// npm writes its own copy of the lock file last of all.
fn is_current(folder: &Path) -> bool {
    let changed = |name: &str| fs::metadata(folder.join(name)).and_then(|meta| meta.modified()).ok();
    let installed = changed("node_modules/.package-lock.json");
    installed.is_some() && installed >= changed("package-lock.json")
}
