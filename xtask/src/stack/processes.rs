//! Running processes: their output line by line under their name, and an end for all of them.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::Setting;
use crate::interrupt;

/// A process that is asked to end finishes what is in flight; a person waits no longer than this.
const STOP: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
const KEPT: usize = 30;
const COLOURS: [&str; 3] = ["\x1b[36m", "\x1b[35m", "\x1b[32m"];

/// What to start.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) settings: Vec<Setting>,
    /// Where it runs: a folder without a `.env`.
    pub(crate) folder: PathBuf,
}

impl Process {
    /// The command: these settings and nothing of the caller's environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// The processes that run, ended together when the value is dropped.
#[derive(Debug)]
pub(crate) struct Processes {
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    name: &'static str,
    child: Child,
    last: Arc<Mutex<VecDeque<String>>>,
}

impl Processes {
    pub(crate) const fn new() -> Self {
        Self { running: Vec::new() }
    }

    /// Starts one. Its lines are printed from now on.
    pub(crate) fn start(&mut self, process: &Process) -> Result<()> {
        let name = process.name;
        // A group of its own: Ctrl-C at the terminal reaches this program, which ends all in order.
        let mut child = process
            .command()
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {}", process.program.display()))?;
        let last = Arc::new(Mutex::new(VecDeque::new()));
        let prefix = prefix(name, COLOURS[self.running.len() % COLOURS.len()]);
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as _),
            child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        for stream in streams.into_iter().flatten() {
            show(stream, prefix.clone(), Arc::clone(&last));
        }
        self.running.push(Running { name, child, last });
        Ok(())
    }

    /// The process of this name.
    pub(crate) fn id(&self, name: &str) -> Option<u32> {
        self.running.iter().find(|running| running.name == name).map(|running| running.child.id())
    }

    /// Fails as soon as one has ended by itself, with its last lines.
    pub(crate) fn check(&mut self) -> Result<()> {
        for running in &mut self.running {
            if let Some(status) = running.child.try_wait().context("waiting for a process")? {
                // Its last lines are on their way through the pipe.
                std::thread::sleep(POLL * 5);
                let last = running.last.lock().unwrap_or_else(PoisonError::into_inner);
                let lines: Vec<_> = last.iter().map(String::as_str).collect();
                bail!(
                    "{} ended by itself ({status}). Its last lines:\n  {}",
                    running.name,
                    lines.join("\n  ")
                );
            }
        }
        Ok(())
    }

    /// Ends all: the gateway first, so that the services behind it see their last requests through.
    fn stop(&mut self) {
        while let Some(mut running) = self.running.pop() {
            running.signal(Signal::TERM);
            let end = Instant::now() + STOP;
            while matches!(running.child.try_wait(), Ok(None)) {
                if Instant::now() > end || interrupt::insisted() {
                    running.signal(Signal::KILL);
                    // It cannot refuse.
                    drop(running.child.wait());
                }
                std::thread::sleep(POLL);
            }
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // An error means that it has ended meanwhile.
            let _ = kill_process(pid, signal);
        }
    }
}

fn prefix(name: &str, colour: &str) -> String {
    let coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (on, off) = if coloured { (colour, "\x1b[0m") } else { ("", "") };
    format!("{on}{name:<12} |{off} ")
}

fn show(stream: impl Read + Send + 'static, prefix: String, last: Arc<Mutex<VecDeque<String>>>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(1..)) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            println!("{prefix}{line}");
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.len() == KEPT {
                last.pop_front();
            }
            last.push_back(line);
            bytes.clear();
        }
    });
}
