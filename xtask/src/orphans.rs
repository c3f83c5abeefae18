//! Processes whose parent died before it could end them: a crashed test's servers, a browser's helpers.
//!
//! On Linux they come back to this program and are ended; elsewhere they are the system's.

#[cfg(target_os = "linux")]
pub(crate) use linux::{adopt, end};
#[cfg(not(target_os = "linux"))]
pub(crate) use other::{adopt, end};

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid};

    /// From now on orphans below this process become its children.
    pub(crate) fn adopt() {
        // A kernel that refuses leaves orphans where they would have been anyway.
        let _ = set_child_subreaper(Some(getpid()));
    }

    /// Ends every child that is left, and says which. Call it when no wanted child is running.
    pub(crate) fn end() {
        while let Some((pid, name)) = children().first() {
            // One that has ended meanwhile only has to be waited for.
            if kill_process(*pid, Signal::KILL).is_ok() && !name.is_empty() {
                eprintln!("ended {name} (process {}), which was left behind", pid.as_raw_nonzero());
            }
            if waitpid(Some(*pid), WaitOptions::empty()).is_err() {
                return;
            }
        }
    }

    /// The children with their names; a zombie has none.
    fn children() -> Vec<(Pid, String)> {
        let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        threads
            .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
            .flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
            .map(|pid| (pid, name_of(pid)))
            .collect()
    }

    fn name_of(pid: Pid) -> String {
        let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(program).into_owned()
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    pub(crate) const fn adopt() {}
    pub(crate) const fn end() {}
}
