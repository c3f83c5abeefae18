//! A `postmaster.pid` found in a cluster's folder: a server that still runs, or the trace of a crash.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::error::{Doing, Error, Result};

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// Makes a data folder startable: ends a server that somebody's crash left running in it, and removes
/// the file of one that is gone.
///
/// PostgreSQL removes a stale file itself unless its number belongs to another process by now, which
/// after a reboot or in a new container is likely. The caller holds the folder's lock, so whatever
/// server is found here belongs to nobody.
pub(crate) fn clear(data: &Path) -> Result<()> {
    let file = data.join("postmaster.pid");
    let Some(pid) = read_pid(&file) else {
        return Ok(());
    };
    if is_server_of(pid, data) {
        stop(pid, &file)?;
    }
    match fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).doing(|| format!("removing {}", file.display()))
        }
        _ => Ok(()),
    }
}

/// Fast shutdown: sessions are cut, everything committed is kept.
///
/// The file's end counts as well as the process's: in a container a dead process may stay as a zombie.
fn stop(pid: Pid, file: &Path) -> Result<()> {
    // An error means that it has ended meanwhile.
    let _ = kill_process(pid, Signal::INT);
    let end = Instant::now() + PATIENCE;
    while read_pid(file) == Some(pid) && test_kill_process(pid).is_ok() {
        if Instant::now() > end {
            return Err(Error::Program {
                program: "postgres".to_owned(),
                output: format!("process {} does not stop", pid.as_raw_nonzero()),
            });
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

fn read_pid(file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(file).ok()?;
    Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
}

/// A server's working folder is its data folder. Where `/proc` does not say, its command line does.
fn is_server_of(pid: Pid, data: &Path) -> bool {
    let number = pid.as_raw_nonzero();
    if let Ok(folder) = fs::read_link(format!("/proc/{number}/cwd")) {
        return fs::canonicalize(data).is_ok_and(|data| data == folder);
    }
    let arguments = Command::new("ps").args(["-o", "args=", "-p", &number.to_string()]).output();
    arguments.is_ok_and(|output| {
        let line = String::from_utf8_lossy(&output.stdout).into_owned();
        line.contains("postgres") && line.contains(&*data.to_string_lossy())
    })
}
