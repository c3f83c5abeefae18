//! Starting one thread per core, and waiting for all of them to end.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::SyncSender;

use tokio::sync::{Notify, mpsc, watch};

use super::accept::CoreDoor;
use super::core::{self, Accepted, CoreError, Next, Plan};
use super::generation::Generation;
use super::metrics::CoreMetrics;
use super::spans::Outlet;

/// What every core gets a copy of.
pub(super) struct Shared {
    pub(super) generation: Arc<Generation>,
    pub(super) log: Option<SyncSender<Vec<u8>>>,
    pub(super) spans: Option<Outlet>,
    pub(super) draining: watch::Receiver<bool>,
}

/// The threads that serve, as the main thread sees them.
pub(super) struct Cores {
    pub(super) doors: Vec<CoreDoor>,
    /// Where each takes its next generation.
    pub(super) switches: Vec<mpsc::UnboundedSender<Next>>,
    pub(super) metrics: Vec<Arc<CoreMetrics>>,
    pub(super) ended: mpsc::UnboundedReceiver<Result<(), CoreError>>,
}

impl Cores {
    /// One thread for each core that this process may use.
    pub(super) fn start(shared: Shared) -> io::Result<Self> {
        let count = std::thread::available_parallelism()?.get();
        let (tell, ended) = mpsc::unbounded_channel();
        let mut cores = Self { doors: Vec::new(), switches: Vec::new(), metrics: Vec::new(), ended };
        for number in 0..count {
            let (sockets, inbox) = mpsc::unbounded_channel();
            let load = Arc::new(AtomicUsize::new(0));
            let full = Arc::new(Notify::new());
            let (switch, switched) = mpsc::unbounded_channel();
            let metrics = Arc::new(CoreMetrics::new(
                shared.generation.clusters.len(),
                shared.generation.gateway.config.routes.len(),
            ));
            let plan =
                shared.plan((Arc::clone(&load), Arc::clone(&full)), Arc::clone(&metrics), inbox, switched);
            let tell = tell.clone();
            let core = std::thread::Builder::new().name(format!("core-{number}"));
            core.spawn(move || {
                // Nobody listens once the process is on its way out.
                let _ = tell.send(unless_panics(|| core::run(plan)));
            })?;
            cores.doors.push(CoreDoor { sockets, load, full });
            cores.switches.push(switch);
            cores.metrics.push(metrics);
        }
        Ok(cores)
    }

    pub(super) async fn join(&mut self) {
        while self.ended.recv().await.is_some() {}
    }
}

/// A thread that unwinds ends silently, and its sockets with it; the process would go on half dead.
fn unless_panics(work: impl FnOnce() -> Result<(), CoreError>) -> Result<(), CoreError> {
    // Nothing of the core is looked at afterwards.
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(CoreError::Panicked))
}

impl Shared {
    fn plan(
        &self,
        (load, full): (Arc<AtomicUsize>, Arc<Notify>),
        metrics: Arc<CoreMetrics>,
        sockets: mpsc::UnboundedReceiver<Accepted>,
        switched: mpsc::UnboundedReceiver<Next>,
    ) -> Plan {
        Plan {
            first: Next { generation: Arc::clone(&self.generation), metrics },
            load,
            full,
            log: self.log.clone(),
            spans: self.spans.clone(),
            log_format: self.generation.gateway.config.logs.format(),
            sockets,
            switched,
            drain: self.draining.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_panics_is_told() {
        assert!(matches!(unless_panics(|| Ok(())), Ok(())));
        assert!(matches!(unless_panics(|| panic!("a fault")), Err(CoreError::Panicked)));
    }
}
