//! The real binaries, started by a test: output kept, ended with the test.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::eventually;

/// How many lines a failed test shows of each process.
const SHOWN: usize = 200;

/// The binary called `name` that the same build left beside the running test.
pub fn binary(name: &str) -> PathBuf {
    let path = binary_folder().join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is missing: `cargo build --workspace --bins` makes it, `cargo xtask test` does so by itself",
        path.display()
    );
    path
}

/// `target/<profile>`: the running test is `target/<profile>/deps/<test>-<hash>`.
pub(crate) fn binary_folder() -> PathBuf {
    let test = std::env::current_exe().expect("the path of the running test");
    test.parent().and_then(|deps| deps.parent()).expect("a test inside a target directory").to_owned()
}

/// A running process; killed when the value is dropped.
#[derive(Debug)]
pub struct TestProcess {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl TestProcess {
    /// Starts one of our binaries with exactly this environment: nothing is inherited.
    pub fn start<'a>(
        name: &str,
        arguments: &[&str],
        environment: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Self {
        let mut command = Command::new(binary(name));
        command.args(arguments).env_clear().envs(environment);
        Self::spawn(name, command)
    }

    /// Starts any command, with its output kept line by line.
    pub fn spawn(name: &str, command: Command) -> Self {
        Self::spawn_with(name, command, Stdio::null())
    }

    /// Likewise, with a standard input: a file, a pipe, or a socket to hand over.
    pub fn spawn_with(name: &str, mut command: Command, stdin: impl Into<Stdio>) -> Self {
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {name}: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        keep_lines(child.stdout.take().expect("a pipe"), Arc::clone(&lines));
        keep_lines(child.stderr.take().expect("a pipe"), Arc::clone(&lines));
        Self { name: name.to_owned(), child, lines }
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has written so far, both streams, in the order of arrival.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.lines).clone()
    }

    /// Waits for a line that contains `needle`, and gives it back.
    pub async fn line_with(&self, needle: &str) -> String {
        let what = format!("{} writes {needle:?}", self.name);
        eventually(&what, async || {
            let lines = lock(&self.lines);
            lines.iter().find(|line| line.contains(needle)).cloned()
        })
        .await
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child's state").is_none()
    }

    /// Waits for it to end by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let what = format!("{} ends", self.name);
        let child = &mut self.child;
        eventually(&what, async || child.try_wait().expect("the child's state")).await
    }

    /// Asks it to finish (SIGTERM), without waiting for it.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to finish and waits until it has.
    pub async fn stop(&mut self) -> ExitStatus {
        self.terminate();
        self.ended().await
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child to kill");
        self.child.wait().expect("the child's end");
    }

    /// Sends any signal, such as `Signal::STOP` for a process that hangs.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("a process to signal");
    }
}

impl Drop for TestProcess {
    #[expect(clippy::print_stderr, reason = "the failed test's output is its report")]
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let lines = lock(&self.lines);
            for line in lines.iter().skip(lines.len().saturating_sub(SHOWN)) {
                eprintln!("{} | {line}", self.name);
            }
        }
    }
}

/// Reads until the process closes the stream; the thread ends with it.
fn keep_lines(stream: impl Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            lock(&lines).push(text);
            line.clear();
        }
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn output_is_kept_and_sigterm_ends_it() {
        let mut command = Command::new("sh");
        command.args(["-c", "trap 'echo bye; exit 3' TERM; echo hello; while :; do sleep 0.02; done"]);
        let mut process = TestProcess::spawn("sh", command);
        assert_eq!(process.line_with("hello").await, "hello");
        assert!(process.is_running());
        assert_eq!(process.stop().await.code(), Some(3));
        process.line_with("bye").await;
    }
}
