//! The whole of Portcullis on one machine: its database, its settings, its processes.
//!
//! `up` keeps one for a person, `e2e` starts one and throws it away.

pub(crate) mod accounts;
pub(crate) mod database;
pub(crate) mod environment;
pub(crate) mod gateway_file;
pub(crate) mod ports;
mod proc_net;
pub(crate) mod processes;
pub(crate) mod secrets;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::http::Request;
use crate::interrupt;
use environment::Environment;
use processes::Processes;

/// bcrypt at start-up and a cold disk included; a healthy start takes well under a second.
const READY: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// Starts the three processes one after the other, each once the one before says that it is ready: the
/// gateway, which is last, finds the keys that it asks for.
pub(crate) fn start(binaries: &Path, environment: &Environment) -> Result<Processes> {
    let mut processes = Processes::new();
    for (process, (_, port)) in environment.processes(binaries).iter().zip(environment.ports.private()) {
        processes.start(process)?;
        wait_until_ready(&mut processes, process.name, port)?;
    }
    Ok(processes)
}

fn wait_until_ready(processes: &mut Processes, name: &str, port: u16) -> Result<()> {
    let end = Instant::now() + READY;
    loop {
        let answer = Request::new(port, "GET", "/readyz").send();
        if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
            return Ok(());
        }
        interrupt::check()?;
        processes.check()?;
        if Instant::now() > end {
            let why = answer.map_or_else(|error| format!("{error:#}"), |answer| answer.body);
            bail!(
                "{name} did not become ready within {READY:?}: {}\n(When .env was lost or changed, the data is \
                 closed to the new secrets; `cargo xtask up --reset` starts over.)",
                why.trim()
            );
        }
        std::thread::sleep(POLL);
    }
}

/// One setting of a process: its name and its value.
pub(crate) type Setting = (String, String);
