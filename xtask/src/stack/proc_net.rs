//! Who listens on a port, as far as Linux tells.

use std::fmt;
use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// The program that listens on a port.
#[derive(Debug)]
pub(crate) struct Holder {
    pid: Pid,
    name: String,
}

impl Holder {
    /// Who listens on `port`; `None` when the system does not tell.
    pub(crate) fn of(port: u16) -> Option<Self> {
        owner(&socket(port)?)
    }

    /// Whether it runs in `folder`.
    pub(crate) fn runs_in(&self, folder: &Path) -> bool {
        fs::read_link(format!("/proc/{}/cwd", self.pid.as_raw_nonzero())).is_ok_and(|cwd| cwd == folder)
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        // An error means that it has ended meanwhile.
        let _ = kill_process(self.pid, Signal::TERM);
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_alive(&self) -> bool {
        test_kill_process(self.pid).is_ok()
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid.as_raw_nonzero())
    }
}

/// The inode of the listening socket, from the kernel's table.
fn socket(port: u16) -> Option<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let text = fs::read_to_string(table).ok()?;
        text.lines().skip(1).find_map(|line| listening(line, port))
    })
}

/// Fields: number, local address, remote address, state (0A is LISTEN), …, and tenth the inode.
fn listening(line: &str, port: u16) -> Option<String> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let local = fields.get(1)?.rsplit_once(':')?.1;
    let matches = local == format!("{port:04X}") && *fields.get(3)? == "0A";
    matches.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
}

fn owner(inode: &str) -> Option<Holder> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find_map(|pid: i32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
        let holds = files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|target| target.as_os_str() == wanted.as_str());
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        let pid = Pid::from_raw(pid)?;
        holds.then(|| Holder { pid, name: name.trim().to_owned() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_line_is_recognised() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1";
        assert_eq!(listening(line, 8080).as_deref(), Some("4711"));
        assert_eq!(listening(line, 8081), None);
        assert_eq!(listening(&line.replace(" 0A ", " 01 "), 8080), None);
    }
}
