//! A running server, stopped when the value is dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Doing, Error, Result};
use crate::psql::Psql;

/// Crash recovery of a large development cluster may take a while.
const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
const TAIL: usize = 20;

/// A server that takes connections on 127.0.0.1.
#[derive(Debug)]
pub struct Running {
    child: Child,
    port: u16,
    data: PathBuf,
    log: PathBuf,
    password: String,
    psql: Psql,
}

impl Running {
    pub(crate) const fn new(
        child: Child,
        port: u16,
        data: PathBuf,
        log: PathBuf,
        password: String,
        psql: Psql,
    ) -> Self {
        Self { child, port, data, log, password, psql }
    }

    /// Waits until the server says so itself, in the eighth line of `postmaster.pid`.
    pub(crate) fn ready(mut self) -> Result<Self> {
        let end = Instant::now() + START;
        while !self.says_ready() {
            if self.has_ended()? || Instant::now() > end {
                return Err(Error::NotReady {
                    port: self.port,
                    tail: tail(&self.log),
                    log: self.log.clone(),
                });
            }
            std::thread::sleep(POLL);
        }
        Ok(self)
    }

    fn says_ready(&self) -> bool {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines();
        let ours = lines.next().is_some_and(|pid| pid.trim() == self.child.id().to_string());
        ours && lines.nth(6).is_some_and(|status| status.trim() == "ready")
    }

    /// The superuser's URL of one database.
    pub fn superuser_url(&self, database: &str) -> String {
        self.url("postgres", &self.password, database)
    }

    /// The URL of one database for one role. The password must need no encoding.
    pub fn url(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port it listens on.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The client that belongs to it.
    pub const fn psql(&self) -> &Psql {
        &self.psql
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the server has written since it was started.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Runs statements as the superuser and gives back the rows ([`Psql::run`]).
    pub fn run(&self, database: &str, statements: &str) -> Result<String> {
        self.psql.run(&self.superuser_url(database), statements)
    }

    /// Whether the server has ended without being asked.
    pub fn has_ended(&mut self) -> Result<bool> {
        let state = self.child.try_wait();
        Ok(state.doing(|| "waiting for postgres".to_owned())?.is_some())
    }

    /// Stops the server: sessions are cut, what was committed is on disk. Past a deadline it is crashed.
    pub fn stop(mut self) -> Result<()> {
        self.shut_down()
    }

    /// Ends the server as a crash would: nothing is written any more, and the next start recovers (`pg_ctl -m immediate`).
    pub fn crash(mut self) -> Result<()> {
        self.signal(Signal::QUIT);
        self.child.wait().doing(|| "waiting for postgres".to_owned())?;
        Ok(())
    }

    fn shut_down(&mut self) -> Result<()> {
        if self.has_ended()? {
            return Ok(());
        }
        self.signal(Signal::INT);
        let end = Instant::now() + STOP;
        while !self.has_ended()? {
            if Instant::now() > end {
                self.signal(Signal::QUIT);
                self.child.wait().doing(|| "waiting for postgres".to_owned())?;
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // An error means that it has ended meanwhile.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.shut_down());
    }
}

fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}
