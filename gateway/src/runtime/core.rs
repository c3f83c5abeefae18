//! One core: a thread with its own single-threaded runtime, its own upstream connections, its own counters.
//!
//! Nothing here is shared with other cores while requests are served; sockets come in, now and then another
//! configuration, and that is all.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use aws_lc_rs::error::Unspecified;
use http::HeaderValue;
use process::telemetry::LogFormat;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::access_log::AccessLog;
use super::connection;
use super::connections::{Connections, Stage};
use super::generation::Generation;
use super::metrics::CoreMetrics;
use super::request_ids::RequestIds;
use super::spans::{Outlet, Spans};
use super::trace_ids::TraceIds;
use crate::config::UpstreamId;
use crate::error::Rejection;
use crate::gateway::Gateway;
use crate::pipeline::body::RequestBody;
use crate::pipeline::forward::ForwardError;
use crate::upstream::Upstream;

/// A second: the grain in which idle upstream connections age, and in which answers end whose token was revoked.
const TICK: Duration = Duration::from_secs(1);

/// How long clients that keep a connection open may still send a request on it once draining has begun. They are
/// answered with `Connection: close`; whoever has not used the connection by then is closed.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// What websockets get of the time to drain to hear that it is over.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A socket on its way to a core.
#[derive(Debug)]
pub struct Accepted {
    /// As the system gave it, not blocking.
    pub socket: std::net::TcpStream,
    /// The client, or the proxy before us.
    pub peer: SocketAddr,
    /// What its requests want.
    pub purpose: Purpose,
}

/// What the requests of a connection want, by the listener that it came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be passed on.
    Proxy,
    /// To know whether another proxy may pass a request on.
    Verify,
}

/// The configuration that a core serves from now on.
pub struct Next {
    /// Shared by all.
    pub generation: Arc<Generation>,
    /// The core's counters, for this generation's upstreams.
    pub metrics: Arc<CoreMetrics>,
}

/// What a core is started with.
pub struct Plan {
    /// Its first generation.
    pub first: Next,
    /// Open connections, as the acceptor counts them.
    pub load: Arc<AtomicUsize>,
    /// Told when there is no place for another one.
    pub full: Arc<Notify>,
    /// Who writes the access log, if it is on, and its form.
    pub log: Option<SyncSender<Vec<u8>>>,
    /// Who delivers spans, if traces are told to anybody.
    pub spans: Option<Outlet>,
    /// See [`Plan::log`].
    pub log_format: LogFormat,
    /// The sockets.
    pub sockets: mpsc::UnboundedReceiver<Accepted>,
    /// The generations after the first.
    pub switched: mpsc::UnboundedReceiver<Next>,
    /// Turns to true when the process is told to stop.
    pub drain: watch::Receiver<bool>,
}

/// One core's own state under one generation. A request keeps the one that it began with.
pub struct Core {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) metrics: Arc<CoreMetrics>,
    pub(crate) log: Rc<AccessLog>,
    pub(crate) spans: Option<Rc<Spans>>,
    pub(crate) ids: Rc<RequestIds>,
    pub(crate) trace_ids: Rc<TraceIds>,
    upstreams: Box<[Rc<Upstream<RequestBody>>]>,
    connections: Rc<Connections>,
}

/// The core as it is at present: what the next request begins with.
#[derive(Debug)]
pub struct Current(RefCell<Rc<Core>>);

impl Current {
    /// Of this moment.
    pub fn get(&self) -> Rc<Core> {
        Rc::clone(&self.0.borrow())
    }
}

impl Core {
    fn first(plan: &Next, log: AccessLog, spans: Option<Spans>, ids: Ids, load: Arc<AtomicUsize>) -> Self {
        let clusters = plan.generation.clusters.iter().map(Arc::clone);
        Self {
            gateway: Arc::clone(&plan.generation.gateway),
            metrics: Arc::clone(&plan.metrics),
            log: Rc::new(log),
            spans: spans.map(Rc::new),
            ids: Rc::new(ids.requests),
            trace_ids: Rc::new(ids.traces),
            upstreams: clusters.map(|cluster| Rc::new(Upstream::new(cluster))).collect(),
            connections: Rc::new(Connections::new(load)),
        }
    }

    /// The same core under another configuration. Upstreams that are the same keep their connections.
    fn next(&self, next: Next) -> Self {
        let Next { generation, metrics } = next;
        let same = generation.gateway.config.same_upstreams_of(&self.gateway.config);
        let upstreams = same.iter().zip(&generation.clusters).map(|(same, cluster)| match same {
            Some(UpstreamId(index)) => Rc::clone(&self.upstreams[*index]),
            None => Rc::new(Upstream::new(Arc::clone(cluster))),
        });
        Self {
            upstreams: upstreams.collect(),
            gateway: Arc::clone(&generation.gateway),
            metrics,
            log: Rc::clone(&self.log),
            spans: self.spans.clone(),
            ids: Rc::clone(&self.ids),
            trace_ids: Rc::clone(&self.trace_ids),
            connections: Rc::clone(&self.connections),
        }
    }

    /// Whether answers say farewell.
    pub fn is_draining(&self) -> bool {
        self.connections.stage() > Stage::Serving
    }

    /// How this core reaches an upstream.
    pub fn upstream(&self, id: UpstreamId) -> &Upstream<RequestBody> {
        &self.upstreams[id.0]
    }

    /// The upstream's name in the configuration.
    pub fn upstream_name(&self, id: UpstreamId) -> &str {
        &self.gateway.config.upstream(id).name
    }

    /// Counts and logs an exchange without an answer, and says what the client is told.
    pub fn failed(&self, id: UpstreamId, error: &ForwardError, request_id: &HeaderValue) -> Rejection {
        if let Some(how) = error.counts_as() {
            self.metrics.failed(id, how);
        }
        error.log(self.upstream_name(id), request_id);
        error.rejection()
    }

    fn tick(&self) {
        for (index, upstream) in self.upstreams.iter().enumerate() {
            upstream.tick();
            self.metrics.idle(UpstreamId(index), upstream.idle());
        }
        if let Some(spans) = &self.spans {
            spans.hand_over();
        }
        let tokens = &self.gateway.tokens;
        if tokens.revocations().are_followed() {
            self.connections.end_answers(|verified| tokens.is_over(verified));
        }
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("connections", &self.connections).finish_non_exhaustive()
    }
}

/// Why a core does not start.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// No event queue or thread.
    #[error("the core's runtime cannot be started")]
    Runtime(#[from] std::io::Error),
    /// No randomness for request ids.
    #[error("the system gives no random bytes")]
    Random(#[from] Unspecified),
    /// A fault of ours, which was logged when it happened. The others must not go on as if nothing were missing.
    #[error("a core has failed")]
    Panicked,
}

/// What ids of one core come from.
struct Ids {
    requests: RequestIds,
    traces: TraceIds,
}

/// Serves on this thread until it is drained.
///
/// # Errors
/// See [`CoreError`].
pub fn run(plan: Plan) -> Result<(), CoreError> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let ids = Ids { requests: RequestIds::new()?, traces: TraceIds::new()? };
    runtime.block_on(serve(plan, ids));
    Ok(())
}

async fn serve(plan: Plan, ids: Ids) {
    let Plan { first, load, full, log, spans, log_format, mut sockets, mut switched, mut drain } = plan;
    let log = AccessLog::new(log, log_format, Arc::clone(&first.metrics));
    let core = Rc::new(Core::first(&first, log, spans.map(Spans::new), ids, load));
    let connections = Rc::clone(&core.connections);
    let current = Rc::new(Current(RefCell::new(core)));
    let mut door = connection::Door::new(&current, first.generation.tls.clone());
    drop(first);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            accepted = sockets.recv() => match accepted {
                Some(accepted) => door.enter(accepted, connections.enter()),
                None => break,
            },
            _ = drain.wait_for(|draining| *draining) => break,
            Some(next) = switched.recv() => {
                let tls = next.generation.tls.clone();
                let core = Rc::new(current.get().next(next));
                current.0.replace(core);
                door = connection::Door::new(&current, tls);
            }
            () = full.notified() => connections.make_room(Instant::now()),
            _ = tick.tick() => current.get().tick(),
        }
    }
    finish(&current.get(), &door, &mut sockets).await;
}

/// Lets what is in flight finish, as long as the configuration allows.
async fn finish(core: &Rc<Core>, door: &connection::Door, sockets: &mut mpsc::UnboundedReceiver<Accepted>) {
    core.connections.go_on(Stage::Draining);
    let limit = core.gateway.config.timeouts.drain;
    let all_left = async {
        let accept_last = async {
            // What was accepted before the listener closed is served too.
            while let Some(accepted) = sockets.recv().await {
                door.enter(accepted, core.connections.enter());
            }
            core.connections.all_left().await;
        };
        if tokio::time::timeout(LAST_REQUESTS.min(limit / 2), accept_last).await.is_err() {
            core.connections.go_on(Stage::Closing);
            core.connections.all_left().await;
        }
    };
    let last_words = LAST_WORDS.min(limit / 4);
    if tokio::time::timeout(limit - last_words, all_left).await.is_err() {
        core.connections.go_on(Stage::Over);
        if tokio::time::timeout(last_words, core.connections.all_left()).await.is_err() {
            tracing::warn!("requests were still in flight when the time to finish them was over");
        }
    }
    core.log.hand_over();
    if let Some(spans) = &core.spans {
        spans.hand_over();
    }
}

/// The address that counts for limits and logs.
pub(super) fn canonical(peer: SocketAddr) -> IpAddr {
    peer.ip().to_canonical()
}
