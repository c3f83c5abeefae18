//! One generation of the configuration: the checked file, and everything that is read or prepared for it before a
//! core sees it. Whatever can fail fails here, so that a start or a reload is refused whole.

use std::sync::Arc;

use access_token::Verification;
use http::Uri;
use identity::Signer;
use rustls::ClientConfig;
use tokio::task::JoinSet;

use super::StartError;
use super::core::CoreError;
use super::request_ids::RequestIds;
use super::spans::Collector;
use super::tls::{self, Handshakes};
use super::upstreams;
use crate::config::{Config, UpstreamId};
use crate::gateway::Gateway;
use crate::rates::RateTable;
use crate::tokens::{Source, Subscriber, Subscription, Tokens, follow, keep_fresh, sweep};
use crate::under_way::UnderWay;
use crate::upstream::{Cluster, client_config, system_roots};

/// A configuration of which every file was read.
pub(super) struct Prepared {
    pub(super) config: Config,
    tls: Option<Handshakes>,
    clusters: Vec<Arc<Cluster>>,
    key_sources: Vec<Source>,
    subscription: Option<Subscription>,
    /// Where spans go. Asked once, at the start.
    pub(super) collector: Option<Collector>,
}

/// What every core gets of it.
pub struct Generation {
    pub(super) gateway: Arc<Gateway>,
    /// The servers of each upstream.
    pub(super) clusters: Vec<Arc<Cluster>>,
    /// TLS for clients, if there is any.
    pub(super) tls: Option<Handshakes>,
}

/// The tasks that keep one set of [`Tokens`] true; they end with it.
pub(super) struct Upkeep(JoinSet<()>);

impl Prepared {
    /// Reads the files and looks at every address.
    pub(super) fn new(config: Config) -> Result<Self, StartError> {
        let tls = config.tls.as_ref().map(tls::handshakes).transpose()?;
        let system = if asks_system(&config) { Some(system_roots()?) } else { None };
        let roots =
            system.as_ref().map(|roots| client_config(Arc::clone(roots), None, b"http/1.1")).transpose()?;
        let clusters = config.upstreams.iter().map(|upstream| upstreams::cluster(upstream, system.as_ref()));
        Ok(Self {
            tls,
            clusters: clusters.collect::<Result<_, _>>()?,
            key_sources: sources(&config.tokens.jwks, roots.as_ref())?,
            subscription: subscription(&config, roots.as_ref())?,
            collector: collector(&config, roots.as_ref())?,
            config,
        })
    }

    /// The tokens of this configuration, nothing known yet, and the tasks that fill them.
    pub(super) fn new_tokens(&mut self) -> (Arc<Tokens>, Upkeep) {
        let config = &self.config.tokens;
        let verification = Verification { issuer: config.issuer.clone(), audience: config.audience.clone() };
        let (cool_down, wait) = (config.jwks_cooldown, config.jwks_wait);
        let tokens = Arc::new(Tokens::new(verification, cool_down, wait, config.feed_policy()));
        let mut tasks = JoinSet::new();
        let sources = std::mem::take(&mut self.key_sources);
        tasks.spawn_local(keep_fresh(Arc::clone(&tokens), sources, config.jwks_refresh));
        if let Some(subscription) = self.subscription.take() {
            tasks.spawn_local(follow(Arc::clone(&tokens), subscription));
            tasks.spawn_local(sweep(Arc::clone(&tokens)));
        }
        (tokens, Upkeep(tasks))
    }

    /// Upstreams that are the same keep what is known of their servers.
    pub(super) fn keep_clusters(&mut self, older: &Config, clusters: &[Arc<Cluster>]) {
        let same = self.config.same_upstreams_of(older);
        for (cluster, same) in self.clusters.iter_mut().zip(same) {
            if let Some(kept) = same.and_then(|UpstreamId(index)| clusters.get(index)) {
                *cluster = Arc::clone(kept);
            }
        }
    }

    /// Ready for the cores, with tokens of its own or of the generation before, and what is known of callers and
    /// under way.
    pub(super) fn with(
        self,
        tokens: Arc<Tokens>,
        callers: Arc<RateTable>,
        under_way: Arc<UnderWay>,
    ) -> Arc<Generation> {
        let Self { config, tls, clusters, .. } = self;
        Arc::new(Generation {
            gateway: Arc::new(Gateway::new(config, tokens, callers, under_way)),
            clusters,
            tls,
        })
    }
}

impl Upkeep {
    /// Resolves when a task has ended, which none does but by a fault: keys and revocations would grow old unseen.
    pub(super) async fn failed(&mut self) {
        self.0.join_next().await;
    }
}

/// Whether the certificates of this machine are needed for anything.
fn asks_system(config: &Config) -> bool {
    let upstreams = config.upstreams.iter().any(upstreams::asks_system);
    let mut asked = config.tokens.jwks.iter().chain(&config.tokens.revocations);
    let collector = config.tracing.as_ref().is_some_and(|tracing| tracing.otlp.tls);
    upstreams || collector || asked.any(|uri| uri.scheme_str() == Some("https"))
}

fn collector(config: &Config, roots: Option<&Arc<ClientConfig>>) -> Result<Option<Collector>, StartError> {
    let Some(tracing) = &config.tracing else { return Ok(None) };
    let origin = upstreams::origin(&tracing.otlp, roots)?;
    Ok(Some(Collector { target: origin.target, host: origin.host }))
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
