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
pub mod metrics;
mod probe;
pub mod request_ids;
mod stream;
mod tls;
pub mod tunnel;
pub mod watch;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;

use http::{HeaderValue, Uri};
use identity::Signer;
use rustls::ClientConfig;
use rustls::pki_types::InvalidDnsNameError;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch as signal;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use self::accept::{accept, listen};
use self::core::CoreError;
use self::cores::{Cores, Shared};
use self::probe::GatewayProbe;
use self::request_ids::RequestIds;
pub use self::tls::TlsError;
use crate::config::{Config, Server, Tls};
use crate::gateway::Gateway;
use crate::tokens::{Source, Subscriber, Subscription, follow, keep_fresh, sweep};
use crate::upstream::{RootsError, Target, client_config};

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
    /// What accepts, fetches keys, follows revocations or answers the operator has failed.
    #[error("a task in the background has failed")]
    Background,
}

/// A gateway that listens and does not serve yet: whoever connects waits.
pub struct Listening {
    config: Config,
    public: TcpListener,
    private: TcpListener,
    tls: Option<TlsAcceptor>,
    targets: Vec<Vec<(Target, HeaderValue)>>,
    key_sources: Vec<Source>,
    subscription: Option<Subscription>,
}

impl Listening {
    /// Begins to log, takes both addresses and reads every file, so that what can fail fails before anything is
    /// served.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(config: Config) -> Result<Self, StartError> {
        config.logs.init();
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let roots = if calls_https(&config) { Some(client_config()?) } else { None };
        let targets = config.upstreams.iter().map(|upstream| targets(&upstream.servers, roots.as_ref()));
        Ok(Self {
            tls,
            targets: targets.collect::<Result<_, _>>()?,
            key_sources: sources(&config.tokens.jwks, roots.as_ref())?,
            subscription: subscription(&config, roots.as_ref())?,
            public: bound(config.listen)?,
            private: bound(config.admin_listen)?,
            config,
        })
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
        let Self { config, public, private, tls, targets, key_sources, subscription } = self;
        let (refresh, listen, admin_listen) =
            (config.tokens.jwks_refresh, public.local_addr()?, private.local_addr()?);
        let upstreams: Vec<_> = config.upstreams.iter().map(|upstream| upstream.name.clone()).collect();
        let (drain, draining) = signal::channel(false);
        let (log, writer) = start_log()?;
        let gateway = Arc::new(Gateway::new(config));
        let shared = Shared { gateway: Arc::clone(&gateway), targets, tls, log, draining: draining.clone() };
        let mut cores = Cores::start(shared)?;

        let probe = GatewayProbe {
            gateway: Arc::clone(&gateway),
            metrics: cores.metrics.clone(),
            loads: cores.doors.iter().map(|door| Arc::clone(&door.load)).collect(),
            upstreams,
            draining,
        };
        let private = tokio::net::TcpListener::from_std(private)?;
        let mut background = JoinSet::new();
        background.spawn(process::private::serve(private, Arc::new(probe)));
        background.spawn_local(keep_fresh(Arc::clone(&gateway.tokens), key_sources, refresh));
        if let Some(subscription) = subscription {
            background.spawn_local(follow(Arc::clone(&gateway.tokens), subscription));
            background.spawn_local(sweep(Arc::clone(&gateway.tokens)));
        }
        tracing::info!(%listen, %admin_listen, cores = cores.metrics.len(), "serving");

        let doors = std::mem::take(&mut cores.doors);
        let ended = tokio::select! {
            why = stop => {
                tracing::info!(why, "stopping: what is in flight finishes");
                Ok(())
            }
            // The listener closes when this select is left.
            () = accept(public, doors) => Err(StartError::Background),
            Some(Err(error)) = cores.ended.recv() => Err(error.into()),
            // None of them ends but by a fault, and without them keys and revocations would grow old unseen.
            Some(_) = background.join_next() => Err(StartError::Background),
        };
        drain.send_replace(true);
        cores.join().await;
        tracing::info!("stopped");
        writer.map(JoinHandle::join);
        ended
    }
}

/// Reads the certificates as a start would, for whoever only wants to know.
///
/// # Errors
/// See [`TlsError`].
pub fn certificates_are_usable(tls: &Tls) -> Result<(), TlsError> {
    tls::acceptor(tls).map(drop)
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

fn bound(address: SocketAddr) -> Result<TcpListener, StartError> {
    listen(address).map_err(|source| StartError::Listen { address, source })
}

fn calls_https(config: &Config) -> bool {
    let upstreams = config.upstreams.iter().any(|upstream| upstream.servers.iter().any(|server| server.tls));
    let mut asked = config.tokens.jwks.iter().chain(&config.tokens.revocations);
    upstreams || asked.any(|uri| uri.scheme_str() == Some("https"))
}

fn sources(uris: &[Uri], roots: Option<&Arc<ClientConfig>>) -> Result<Vec<Source>, StartError> {
    let source = |uri: &Uri| {
        let host = uri.host().unwrap_or_default().to_owned();
        Source::new(uri, roots).map_err(|source| StartError::Name { host, source })
    };
    uris.iter().map(source).collect()
}

/// The gateway subscribes under the auth service's name, with the auth service's key.
fn subscription(
    config: &Config,
    roots: Option<&Arc<ClientConfig>>,
) -> Result<Option<Subscription>, StartError> {
    let (Some(_), Some(auth)) = (config.tokens.feed_policy(), config.tokens.upstream) else {
        return Ok(None);
    };
    let name = &config.upstream(auth).name;
    let signer = Signer::new(name, &config.identity_key.upstream(name));
    let subscriber = Subscriber::new(signer, RequestIds::new().map_err(CoreError::from)?);
    Ok(Some(Subscription { sources: sources(&config.tokens.revocations, roots)?, subscriber }))
}

fn targets(
    servers: &[Server],
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Vec<(Target, HeaderValue)>, StartError> {
    let target = |server: &Server| {
        let target = match tls.filter(|_| server.tls) {
            Some(config) => Target::tls(&server.host, server.port, Arc::clone(config))
                .map_err(|source| StartError::Name { host: server.host.clone(), source })?,
            None => Target::plain(&server.host, server.port),
        };
        // An authority has no character that a header may not have.
        let host = HeaderValue::from_str(server.authority.as_str());
        Ok((target, host.unwrap_or(const { HeaderValue::from_static("localhost") })))
    };
    servers.iter().map(target).collect()
}
