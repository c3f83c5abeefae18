//! A cluster for one run of tests, in the system's temporary folder, gone afterwards.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, test_kill_process};

use crate::binaries::Binaries;
use crate::cluster::{Cluster, Options};
use crate::error::{Doing, Result};
use crate::running::Running;

const PREFIX: &str = "portcullis-pg-";

/// A running throwaway server. Dropping it stops the server and removes its files.
#[derive(Debug)]
pub struct TemporaryCluster {
    running: Option<Running>,
    cluster: Cluster,
    wanted: PathBuf,
    options: Options,
}

impl TemporaryCluster {
    /// Starts one on a free port: nothing is synced to disk, and many connections are allowed.
    pub fn start(installed: &[Binaries], settings: &[(&str, &str)]) -> Result<Self> {
        sweep();
        let wanted = unused_folder();
        let cluster = Cluster::at(&wanted, installed)?;
        let mut all = vec![("max_connections".to_owned(), "500".to_owned())];
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let options = Options { port: free_port()?, durable: false, settings: all };
        let mut this = Self { running: None, cluster, wanted, options };
        this.restart()?;
        Ok(this)
    }

    /// Stops the server and keeps its data; [`TemporaryCluster::restart`] brings it back on the same port.
    pub fn stop(&mut self) -> Result<()> {
        self.running.take().map_or(Ok(()), Running::stop)
    }

    /// Crashes the server; [`TemporaryCluster::restart`] recovers what was committed.
    pub fn crash(&mut self) -> Result<()> {
        self.running.take().map_or(Ok(()), Running::crash)
    }

    /// Starts the server again, stopping it first when it runs.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.running = Some(self.cluster.start(&self.options)?);
        Ok(())
    }

    /// The server's major version.
    pub const fn version(&self) -> u32 {
        self.cluster.binaries().version()
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.cluster.folder()
    }

    /// The running server; `None` between [`TemporaryCluster::stop`] and [`TemporaryCluster::restart`].
    pub const fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }
}

impl Drop for TemporaryCluster {
    fn drop(&mut self) {
        drop(self.stop());
        drop(Cluster::destroy(&self.wanted));
    }
}

fn unused_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("{PREFIX}{}-{count}", std::process::id()))
}

fn free_port() -> Result<u16> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .doing(|| "looking for a free port".to_owned())
}

/// Ends and removes what killed runs left behind: a run that is killed outright stops no server.
///
/// Best effort: a folder that cannot be removed is in nobody's way.
fn sweep() {
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten();
    for path in entries.flatten().map(|entry| entry.path()) {
        if is_abandoned(&path) {
            drop(Cluster::destroy(&path));
        }
    }
}

fn is_abandoned(folder: &Path) -> bool {
    let owner = folder
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.strip_prefix(PREFIX))
        .and_then(|rest| rest.split('-').next())
        .and_then(|pid| pid.parse().ok())
        .and_then(Pid::from_raw);
    owner.is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}
