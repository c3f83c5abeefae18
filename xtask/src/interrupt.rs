//! Ctrl-C and its relatives, noted for whoever is waiting for something.

use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

const POLL: Duration = Duration::from_millis(20);

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// From now on signals are counted and end nothing by themselves.
pub(crate) fn listen() {
    // Without signals the terminal's own Ctrl-C still ends this program, only less tidily.
    if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) {
        std::thread::spawn(move || {
            for _ in &mut signals {
                COUNT.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

/// Whether somebody wants this program to end.
pub(crate) fn requested() -> bool {
    COUNT.load(Ordering::Relaxed) > 0
}

/// Whether they have asked twice.
pub(crate) fn insisted() -> bool {
    COUNT.load(Ordering::Relaxed) > 1
}

/// Fails once somebody wants this program to end: call it wherever work may take long.
pub(crate) fn check() -> Result<()> {
    anyhow::ensure!(!requested(), "interrupted");
    Ok(())
}

/// Runs a command that talks to the terminal itself, to its end, and passes the wish to end on to it.
///
/// At a terminal it has heard of Ctrl-C already; a signal to this program alone has to be told.
pub(crate) fn status(mut command: Command) -> Result<ExitStatus> {
    let name = command.get_program().to_string_lossy().into_owned();
    let what = || format!("running {name}");
    let mut child = command.spawn().with_context(what)?;
    let mut told = false;
    loop {
        if let Some(status) = child.try_wait().with_context(what)? {
            check()?;
            return Ok(status);
        }
        if requested() && !told {
            told = true;
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                // An error means that it has ended meanwhile.
                let _ = kill_process(pid, Signal::INT);
            }
        }
        std::thread::sleep(POLL);
    }
}
