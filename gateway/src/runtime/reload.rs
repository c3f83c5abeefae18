//! Another configuration without a restart: at SIGHUP, and when the files change.
//!
//! Everything is read and checked on the main thread while the cores go on; then each core is handed the new
//! generation. What cannot be used is refused whole, told, and the generation before goes on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use process::Settings;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::core::Next;
use super::generation::{Prepared, Upkeep};
use super::metrics::{CoreMetrics, Kept};
use super::watched_files::WatchedFiles;
use super::{StartError, upstreams};
use crate::config::{Config, ConfigError};
use crate::error::chain;
use crate::gateway::Gateway;
use crate::tokens::Tokens;
use crate::upstream::Cluster;

/// How long a new `[tokens]` may take until its key set and its revocations are there.
const TOKENS_LIMIT: Duration = Duration::from_secs(5);
const TOKENS_LOOK: Duration = Duration::from_millis(20);

/// Where the configuration comes from. The environment is that of the start: nobody else can change it.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) file: PathBuf,
    pub(super) settings: Settings,
}

/// What serves at present.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) gateway: Arc<Gateway>,
    pub(super) clusters: Vec<Arc<Cluster>>,
    pub(super) metrics: Vec<Arc<CoreMetrics>>,
    pub(super) reloads: Reloads,
}

/// How reloading went so far.
#[derive(Debug, Clone, Copy)]
pub struct Reloads {
    /// How often it succeeded, and how often a configuration was refused.
    pub results: (u64, u64),
    /// Whether the last one was refused, so that what serves is not what the file says.
    pub refused: bool,
    /// When what serves was read.
    pub read_at: SystemTime,
}

impl Default for Reloads {
    fn default() -> Self {
        Self { results: (0, 0), refused: false, read_at: SystemTime::UNIX_EPOCH }
    }
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Prepare(#[from] StartError),
    #[error("`{key}` cannot change from {from} to {to} while the gateway runs: restart it")]
    Address { key: &'static str, from: SocketAddr, to: SocketAddr },
    #[error("`otlp` of [tracing] cannot change while the gateway runs: restart it")]
    Collector,
    #[error("`listen` of [verify] cannot change while the gateway runs: restart it")]
    Verify,
    #[error("the new [tokens] brought no usable key set, or no revocations, within {TOKENS_LIMIT:?}")]
    Tokens,
}

/// Watches and reloads; also the owner of the tasks behind the tokens and clusters that are used.
pub(super) struct Reloader {
    pub(super) origin: Option<Origin>,
    pub(super) hangup: Signal,
    pub(super) serving: watch::Sender<Serving>,
    pub(super) cores: Vec<mpsc::UnboundedSender<Next>>,
    pub(super) upkeep: Upkeep,
    /// What keeps the clusters true.
    pub(super) watching: JoinSet<()>,
}

impl Reloader {
    /// Goes on until dropped; ends by itself only when one of those tasks has failed.
    pub(super) async fn run(mut self) {
        let Some(origin) = self.origin.take() else {
            tokio::select! {
                () = self.upkeep.failed() => return,
                _ = self.watching.join_next() => return,
            }
        };
        let mut files = WatchedFiles::new(files(&origin, &self.serving.borrow().gateway.config));
        loop {
            let why = tokio::select! {
                () = self.upkeep.failed() => return,
                Some(_) = self.watching.join_next() => return,
                () = files.changed() => "the files changed",
                Some(()) = self.hangup.recv() => "SIGHUP",
            };
            files.look();
            let done = self.reload(&origin, &mut files).await;
            match &done {
                Ok(()) => tracing::info!(why, "the configuration was reloaded"),
                Err(error) => {
                    let error = chain(error);
                    tracing::error!(why, error, "a configuration is refused: the one before goes on");
                }
            }
            self.serving.send_modify(|serving| serving.reloads.count(done.is_ok()));
        }
    }

    async fn reload(&mut self, origin: &Origin, watched: &mut WatchedFiles) -> Result<(), ReloadError> {
        let config = Config::load(&origin.file, origin.settings.clone())?;
        watched.watch(files(origin, &config));
        let old = Arc::clone(&self.serving.borrow().gateway);
        unchanged("listen", old.config.listen, config.listen)?;
        unchanged("admin_listen", old.config.admin_listen, config.admin_listen)?;
        let collector = |config: &Config| config.tracing.as_ref().map(|tracing| tracing.otlp.clone());
        if collector(&old.config) != collector(&config) {
            return Err(ReloadError::Collector);
        }
        if old.config.verify_listen != config.verify_listen {
            return Err(ReloadError::Verify);
        }
        let mut prepared = Prepared::new(config)?;
        if prepared.config.has_tokens_of(&old.config) {
            self.hand_out(prepared, Arc::clone(&old.tokens));
        } else {
            let (tokens, upkeep) = prepared.new_tokens();
            let usable = tokio::time::timeout(TOKENS_LIMIT, usable(&tokens));
            usable.await.map_err(|_| ReloadError::Tokens)?;
            self.hand_out(prepared, tokens);
            self.upkeep = upkeep;
        }
        Ok(())
    }

    /// From here on nothing fails.
    fn hand_out(&mut self, mut prepared: Prepared, tokens: Arc<Tokens>) {
        let (callers, under_way) = {
            let serving = self.serving.borrow();
            prepared.keep_clusters(&serving.gateway.config, &serving.clusters);
            (Arc::clone(&serving.gateway.callers), Arc::clone(&serving.gateway.under_way))
        };
        let generation = prepared.with(tokens, callers, under_way);
        let gateway = Arc::clone(&generation.gateway);
        self.watching = upstreams::keep_true(&generation.clusters, &gateway.config.upstreams);
        self.serving.send_modify(|serving| {
            let (new, old) = (&gateway.config, &serving.gateway.config);
            let kept = Kept { upstreams: new.upstreams_of(old), routes: new.routes_of(old) };
            for (core, metrics) in self.cores.iter().zip(&mut serving.metrics) {
                *metrics = Arc::new(metrics.for_next(&kept));
                // A core that has stopped takes the process with it.
                let _ = core.send(Next { generation: Arc::clone(&generation), metrics: Arc::clone(metrics) });
            }
            serving.gateway = gateway;
            serving.clusters.clone_from(&generation.clusters);
        });
    }
}

impl Reloads {
    fn count(&mut self, succeeded: bool) {
        self.refused = !succeeded;
        if succeeded {
            self.results.0 += 1;
            self.read_at = SystemTime::now();
        } else {
            self.results.1 += 1;
        }
    }
}

/// The configuration and the certificates that it names.
fn files(origin: &Origin, config: &Config) -> Vec<PathBuf> {
    let shown = config.upstreams.iter().filter_map(|upstream| upstream.tls.client.as_ref());
    let certificates = config.tls.iter().flat_map(|tls| &tls.certificates).chain(shown);
    let files = certificates.flat_map(|certificate| [certificate.cert.clone(), certificate.key.clone()]);
    let believed = config.upstreams.iter().filter_map(|upstream| upstream.tls.ca.clone());
    std::iter::once(origin.file.clone()).chain(files).chain(believed).collect()
}

fn unchanged(key: &'static str, from: SocketAddr, to: SocketAddr) -> Result<(), ReloadError> {
    if from == to { Ok(()) } else { Err(ReloadError::Address { key, from, to }) }
}

/// Waits until a request with a good token would be let in, and one with a revoked token refused.
async fn usable(tokens: &Tokens) {
    let knows_revocations = || tokens.feed().is_none_or(|feed| !feed.stale && !feed.overflowed);
    while !(tokens.has_keys() && knows_revocations()) {
        tokio::time::sleep(TOKENS_LOOK).await;
    }
}
