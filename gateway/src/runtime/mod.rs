//! The process around the requests: one thread with a runtime of its own per core, one acceptor before them, and
//! the way from start to drain.
//!
//! The main thread accepts, fetches keys, follows the revocations and answers the operator; cores serve. The log has a thread to write.

mod accept;
pub mod access_log;
pub mod connection;
pub mod connections;
pub mod core;
mod cores;
mod generation;
mod http2;
pub mod metrics;
mod opening;
mod probe;
mod proxy_header;
pub mod reload;
pub mod request_ids;
mod sockets;
pub mod spans;
mod stream;
mod tls;
pub mod trace_ids;
pub mod tunnel;
mod upstreams;
pub mod watch;
mod watched_files;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use process::Settings;
use rustls::RootCertStore;
use rustls::pki_types::InvalidDnsNameError;
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{SignalKind, signal as listen_for};
use tokio::sync::watch as signal;
use tokio::task::JoinSet;

use self::accept::{CoreDoor, accept, listen};
use self::core::{CoreError, Purpose};
use self::cores::{Cores, Shared};
use self::generation::Prepared;
use self::probe::GatewayProbe;
use self::reload::{Origin, Reloader, Reloads, Serving};
pub use self::sockets::{Inherited, InheritedError};
pub use self::tls::TlsError;
use crate::config::{Config, Tls, Upstream};
use crate::rates::RateTable;
use crate::upstream::RootsError;

/// What the collector gets of the way out.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Why the gateway does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The listener's certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The root certificates for `https` upstreams.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// A host that no certificate could be for.
    #[error("{host:?} cannot be reached over TLS")]
    Name {
        /// The host.
        host: String,
        /// Why.
        source: InvalidDnsNameError,
    },
    /// Threads, event queues, signals.
    #[error("the runtime cannot be started")]
    Runtime(#[from] io::Error),
    /// A core.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// What accepts, fetches keys, follows revocations, looks after upstreams or answers the operator has failed.
    #[error("a task in the background has failed")]
    Background,
}

/// A gateway that listens and does not serve yet: whoever connects waits.
pub struct Listening {
    prepared: Prepared,
    origin: Option<Origin>,
    public: TcpListener,
    private: TcpListener,
    verify: Option<TcpListener>,
}

impl Listening {
    /// Begins to log, takes all addresses and reads every file, so that what can fail fails before anything is
    /// served. A socket that was inherited is taken in place of the address that the configuration names.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(config: Config, inherited: Inherited) -> Result<Self, StartError> {
        config.logs.init();
        let prepared = Prepared::new(config)?;
        let Inherited { public, admin } = inherited;
        let public = public.map_or_else(|| bound(prepared.config.listen), Ok)?;
        let private = admin.map_or_else(|| bound(prepared.config.admin_listen), Ok)?;
        let verify = prepared.config.verify_listen.map(bound).transpose()?;
        Ok(Self { prepared, origin: None, public, private, verify })
    }

    /// Reads the file again, with the same settings of the environment, when it changes and at SIGHUP.
    #[must_use]
    pub fn reloading(self, file: PathBuf, settings: Settings) -> Self {
        Self { origin: Some(Origin { file, settings }), ..self }
    }

    /// Where requests come in; with a port, also if the configuration left it to the system.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.public.local_addr()
    }

    /// Where the operator asks.
    ///
    /// # Errors
    /// The system does not say.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.private.local_addr()
    }

    /// Where other proxies ask, if they may.
    ///
    /// # Errors
    /// The system does not say.
    pub fn verify_address(&self) -> io::Result<Option<SocketAddr>> {
        self.verify.as_ref().map(TcpListener::local_addr).transpose()
    }

    /// Serves until what `stop` gives resolves, and then until what is in flight has finished.
    ///
    /// # Errors
    /// A thread or runtime that cannot be started.
    pub fn serve<S: Future<Output = &'static str>>(
        self,
        stop: impl FnOnce() -> io::Result<S>,
    ) -> Result<(), StartError> {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        runtime.block_on(async { self.serve_here(stop()?).await })
    }

    async fn serve_here(self, stop: impl Future<Output = &'static str>) -> Result<(), StartError> {
        let Self { mut prepared, origin, public, private, verify } = self;
        let (listen, admin_listen) = (public.local_addr()?, private.local_addr()?);
        let hangup = listen_for(SignalKind::hangup())?;
        let (drain, draining) = signal::channel(false);
        let (log, writer) = start_log()?;
        let (tokens, upkeep) = prepared.new_tokens();
        let collector = prepared.collector.take();
        let generation = prepared.with(tokens, Arc::new(RateTable::new(Instant::now())), Arc::default());
        let (gateway, clusters) = (Arc::clone(&generation.gateway), generation.clusters.clone());
        let watching = upstreams::keep_true(&clusters, &gateway.config.upstreams);
        let mut exporting = JoinSet::new();
        let spans = collector.map(|collector| {
            let (outlet, export) = spans::exporter(collector);
            exporting.spawn_local(export);
            outlet
        });
        let span_counts = spans.as_ref().map(|outlet| Arc::clone(&outlet.counts));
        let mut cores = Cores::start(Shared { generation, log, spans, draining: draining.clone() })?;

        let reloads = Reloads { read_at: SystemTime::now(), ..Reloads::default() };
        let (serving, seen) =
            signal::channel(Serving { gateway, clusters, metrics: cores.metrics.clone(), reloads });
        let loads = cores.doors.iter().map(|door| Arc::clone(&door.load)).collect();
        let allowed = seen.clone();
        let most = || allowed.borrow().gateway.config.limits.connections;
        let probe = Arc::new(GatewayProbe { serving: seen, loads, span_counts, draining });
        let mut operator = JoinSet::new();
        operator.spawn(process::private::serve(tokio::net::TcpListener::from_std(private)?, probe));
        let reloader = Reloader {
            origin,
            hangup,
            serving,
            cores: std::mem::take(&mut cores.switches),
            upkeep,
            watching,
        };
        tracing::info!(%listen, %admin_listen, cores = cores.metrics.len(), "serving");

        let doors = std::mem::take(&mut cores.doors);
        let ended = tokio::select! {
            why = stop => {
                tracing::info!(why, "stopping: what is in flight finishes");
                Ok(())
            }
            // The listeners close when this select is left.
            () = accept(most, public, Purpose::Proxy, doors.clone()) => Err(StartError::Background),
            () = accept_if_any(most, verify, doors) => Err(StartError::Background),
            Some(Err(error)) = cores.ended.recv() => Err(error.into()),
            // Neither ends but by a fault.
            () = reloader.run() => Err(StartError::Background),
            Some(_) = operator.join_next() => Err(StartError::Background),
        };
        drain.send_replace(true);
        cores.join().await;
        // The cores are gone, so this ends with what they handed over last, or with our patience: a supervisor has
        // little more of it, and a collector that hangs would need some seconds for each batch.
        let _ = tokio::time::timeout(LAST_SPANS, exporting.join_next()).await;
        tracing::info!("stopped");
        writer.map(JoinHandle::join);
        ended
    }
}

/// Reads the certificates that upstreams name, likewise.
///
/// # Errors
/// See [`RootsError`].
pub fn upstream_certificates_are_usable(upstreams: &[Upstream]) -> Result<(), RootsError> {
    // What a start would believe besides is not in question.
    let none = Arc::new(RootCertStore::empty());
    upstreams.iter().try_for_each(|upstream| upstreams::tls(upstream, Some(&none)).map(drop))
}

/// Reads the certificates as a start would, for whoever only wants to know.
///
/// # Errors
/// See [`TlsError`].
pub fn certificates_are_usable(tls: &Tls) -> Result<(), TlsError> {
    tls::handshakes(tls).map(drop)
}

type LogWriter = (Option<SyncSender<Vec<u8>>>, Option<JoinHandle<()>>);

/// The access log obeys the filter of all logs, asked once.
fn start_log() -> io::Result<LogWriter> {
    if !tracing::enabled!(target: "gateway::access", tracing::Level::INFO) {
        return Ok((None, None));
    }
    let (sender, writer) = access_log::start_writer()?;
    Ok((Some(sender), Some(writer)))
}

/// The questions of other proxies, where there is a listener for them.
async fn accept_if_any(
    most: impl Fn() -> Option<usize>,
    listener: Option<TcpListener>,
    doors: Vec<CoreDoor>,
) {
    match listener {
        Some(listener) => accept(most, listener, Purpose::Verify, doors).await,
        None => std::future::pending().await,
    }
}

fn bound(address: SocketAddr) -> Result<TcpListener, StartError> {
    listen(address).map_err(|source| StartError::Listen { address, source })
}
