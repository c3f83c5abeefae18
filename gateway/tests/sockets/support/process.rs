//! The real binary with a configuration file that a test rewrites while it runs.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;
use test_support::{TestProcess, binary, eventually};

use super::{Answer, Client, IDENTITY_KEY, Setup};

/// A gateway as a process of its own; killed when dropped.
pub(crate) struct GatewayProcess {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) process: TestProcess,
    folder: TempDir,
}

impl GatewayProcess {
    /// Starts it, and waits until it listens.
    pub(crate) async fn start(setup: &Setup<'_>) -> Self {
        let mut command = Command::new(binary("gateway"));
        command.env_clear();
        Self::spawn(setup, command, Stdio::null()).await
    }

    /// Starts it as systemd would: on a socket that is open already, and that it finds as its third descriptor.
    pub(crate) async fn start_on(setup: &Setup<'_>, socket: &TcpListener) -> Self {
        let mut command = Command::new("/bin/sh");
        let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ exec \"$0\" \"$@\"";
        command.arg("-c").arg(script).arg(binary("gateway"));
        command.env_clear().envs([("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "public")]);
        let socket = OwnedFd::from(socket.try_clone().unwrap());
        Self::spawn(setup, command, socket).await
    }

    async fn spawn(setup: &Setup<'_>, mut command: Command, stdin: impl Into<Stdio>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(file(&folder), setup.text()).unwrap();
        command.envs([("APP_ENV", "development"), ("LOG_FORMAT", "json"), ("IDENTITY_KEY", IDENTITY_KEY)]);
        command.arg("--config").arg(file(&folder));
        let process = TestProcess::spawn_with("gateway", command, stdin);
        let line = process.line_with("\"serving\"").await;
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = |key: &str| line[key].as_str().unwrap().parse().unwrap();
        Self { address: address("listen"), admin: address("admin_listen"), process, folder }
    }

    /// Puts another file in the place of the one it reads, whole.
    pub(crate) fn write(&self, text: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, file(&self.folder)).unwrap();
    }

    /// Writes the file, sends SIGHUP, and waits until it has been taken over.
    pub(crate) async fn reload(&self, setup: &Setup<'_>) {
        self.attempt("success", &setup.text()).await;
    }

    /// Likewise for one that is no good; answers the log line that says why.
    pub(crate) async fn refuse(&self, text: &str) -> String {
        let before = self.process.lines().len();
        self.attempt("failure", text).await;
        eventually("a reason in the log", async || {
            let lines = self.process.lines();
            lines.into_iter().skip(before).find(|line| line.contains("is refused"))
        })
        .await
    }

    async fn attempt(&self, result: &str, text: &str) {
        let before = self.reloads(result).await;
        self.write(text);
        self.process.signal(Signal::HUP);
        eventually("the signal is obeyed", async || (self.reloads(result).await > before).then_some(()))
            .await;
    }

    /// How many ended so.
    pub(crate) async fn reloads(&self, result: &str) -> u64 {
        self.metric(&format!("gateway_reloads_total{{result=\"{result}\"}}")).await
    }

    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let answer = self.operator("/metrics").await;
        let page = String::from_utf8(answer.body).unwrap();
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
    }

    pub(crate) async fn operator(&self, path: &str) -> Answer {
        Client::connect(self.admin).await.ask(&format!("GET {path}"), &[]).await
    }

    pub(crate) async fn ready(&self) {
        eventually("the process is ready", async || {
            (self.operator("/readyz").await.status == 200).then_some(())
        })
        .await;
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("gateway.toml")
}
