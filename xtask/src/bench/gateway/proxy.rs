//! A proxy that runs, alone on the first processor, and what it has used so far.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::peers::{Program, Programs};
use super::subjects::Subject;
use crate::bench::usage;
use crate::interrupt;
use crate::stack::ports::Ports;

const UPSTREAM: &str = include_str!("configs/upstream.conf");
const FIRST_PORT: u16 = 25_000;
const READY: Duration = Duration::from_secs(15);
const STOP: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// How proxies are started.
#[derive(Debug)]
pub(super) struct Start {
    programs: Programs,
    folder: PathBuf,
    identity_key: String,
    port: u16,
    admin: u16,
    upstream: u16,
}

/// One that runs, ended with the value.
#[derive(Debug)]
pub(super) struct Proxy {
    child: Child,
    pub(super) port: u16,
}

impl Start {
    pub(super) fn new(programs: Programs, folder: PathBuf, identity_key: String) -> Result<Self> {
        let ports = Ports::find_free(FIRST_PORT)?;
        let (port, upstream) = (ports.gateway, ports.orders());
        Ok(Self { programs, folder, identity_key, port, admin: Ports::admin(port), upstream })
    }

    /// The orders, as far as a proxy is concerned: always the same answer, and the key set.
    pub(super) fn upstream(&self) -> Result<Proxy> {
        let file = self.write("upstream.conf", UPSTREAM)?;
        let mut command = self.on_the_second_processor(&self.programs.nginx);
        command.arg("-c").arg(file).arg("-p").arg(&self.folder);
        self.spawn(command, "upstream", self.upstream)
    }

    /// The proxy, once it listens.
    pub(super) fn proxy(&self, subject: &'static Subject) -> Result<Proxy> {
        let file = self.write(subject.file, &subject.text())?;
        let mut command = self.pinned(0, &self.programs.path(subject.program));
        self.arguments(&mut command, subject.program, &file);
        self.spawn(command, subject.name, self.port)
    }

    /// Runs on the processor that load and upstream share.
    pub(super) fn on_the_second_processor(&self, program: &Path) -> Command {
        self.pinned(1, program)
    }

    fn pinned(&self, processor: usize, program: &Path) -> Command {
        let mut command = Command::new(&self.programs.taskset);
        command.args(["--cpu-list", &processor.to_string()]).arg(program);
        command
    }

    fn arguments(&self, command: &mut Command, program: Program, file: &Path) {
        match program {
            Program::Ours => command
                .env("APP_ENV", "development")
                .env("IDENTITY_KEY", &self.identity_key)
                .envs([("LOG_FORMAT", "json"), ("LOG", "info")])
                .arg("--config")
                .arg(file),
            Program::Haproxy => command.arg("-f").arg(file).arg("-db"),
            Program::Nginx => command.arg("-c").arg(file).arg("-p").arg(&self.folder),
            Program::Envoy => command.arg("-c").arg(file).args([
                "--concurrency",
                "1",
                "-l",
                "error",
                "--disable-hot-restart",
            ]),
            Program::Traefik => command
                .arg(format!("--entrypoints.web.address=127.0.0.1:{}", self.port))
                .arg(format!("--providers.file.filename={}", file.display()))
                .args(["--log.level=ERROR", "--global.checknewversion=false"])
                .arg("--global.sendanonymoususage=false"),
            Program::Caddy => command.args(["run", "--config"]).arg(file),
        };
    }

    fn write(&self, name: &str, config: &str) -> Result<PathBuf> {
        let file = self.folder.join(name);
        let values = [("port", self.port), ("admin", self.admin), ("upstream", self.upstream)];
        let config = config.replace("{folder}", &self.folder.display().to_string());
        let config = values
            .iter()
            .fold(config, |text, (name, value)| text.replace(&format!("{{{name}}}"), &value.to_string()));
        fs::write(&file, config).with_context(|| format!("writing {}", file.display()))?;
        Ok(file)
    }

    fn spawn(&self, mut command: Command, name: &str, port: u16) -> Result<Proxy> {
        let log = File::create(self.folder.join(name).with_extension("log")).context("the proxy's log")?;
        let errors = log.try_clone().context("the proxy's log")?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        let mut proxy = Proxy { child, port };
        let end = Instant::now() + READY;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            interrupt::check()?;
            if Instant::now() > end || proxy.child.try_wait().context("waiting for a proxy")?.is_some() {
                let log = fs::read_to_string(self.folder.join(name).with_extension("log"));
                bail!("{name} does not listen: {}", log.unwrap_or_default().trim());
            }
            std::thread::sleep(POLL);
        }
        Ok(proxy)
    }
}

impl Proxy {
    /// Microseconds of CPU so far, of all its processes.
    pub(super) fn cpu(&self) -> Result<u64> {
        usage::with_children(self.child.id())
    }

    /// Kilobytes in memory, of all its processes.
    pub(super) fn resident(&self) -> Result<u64> {
        usage::resident(self.child.id())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else { return };
        // An error means that it has ended meanwhile.
        let _ = kill_process(pid, Signal::TERM);
        let end = Instant::now() + STOP;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > end {
                let _ = kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(POLL);
        }
    }
}
