//! What is counted, and how it is shown to Prometheus.

use std::sync::Arc;

use database::Database;
use http_api::HttpMetrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::accounts::hash_threads::HashThreads;
use crate::error::Error;
use crate::revocations::Feed;
use crate::sessions::Step;
use crate::throttle::Throttled;
use crate::tokens::KeyStore;

mod feed;
mod keys;
mod mail;
mod purge;

use feed::FeedCollector;
use keys::KeyCollector;
pub use mail::MailMetrics;
pub use purge::PurgeMetrics;

/// All counters of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// What the purge has done.
    pub purge: PurgeMetrics,
    /// What became of mail.
    pub mail: MailMetrics,
    /// Requests by route and status.
    pub http: HttpMetrics,
    logins: Family<Outcome, Counter>,
    refreshes: Family<Outcome, Counter>,
    throttled: Family<Limit, Counter>,
}

/// How something went: a fixed word or an error's code, so there are few.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Which limit turned somebody away.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Limit {
    purpose: &'static str,
    limit: &'static str,
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn new(database: &Database, hashing: &HashThreads, feed: &Arc<Feed>, keys: &Arc<KeyStore>) -> Self {
        let mut registry = Registry::with_prefix("auth");
        let (logins, refreshes) = (Family::default(), Family::default());
        registry.register("logins", "Logins by outcome", Family::clone(&logins));
        registry.register("refreshes", "Refreshes by outcome and cause", Family::clone(&refreshes));
        let throttled = Family::default();
        registry.register("throttled", "Attempts turned away, by limit", Family::clone(&throttled));
        hashing.register_metrics(&mut registry);
        registry.register_collector(Box::new(PoolCollector(database.clone())));
        registry.register_collector(Box::new(FeedCollector(Arc::clone(feed))));
        registry.register_collector(Box::new(KeyCollector(Arc::clone(keys))));
        let purge = PurgeMetrics::register(&mut registry);
        let mail = MailMetrics::register(&mut registry);
        let http = HttpMetrics::register(&mut registry);
        Self { registry, purge, mail, http, logins, refreshes, throttled }
    }

    /// Counts a login.
    pub fn count_login<T>(&self, answer: &Result<T, Error>) {
        let outcome = answer.as_ref().map_or_else(Error::code, |_| "succeeded");
        self.logins.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a refresh; a token of the past (`late_previous`, `stale_lineage`) apart from all else.
    pub fn count_refresh<T>(&self, answer: &Result<(T, Step), Error>) {
        let outcome = answer.as_ref().map_or_else(Error::code, |(_, step)| word(*step));
        self.refreshes.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts an attempt that was turned away.
    pub fn count_throttled(&self, throttled: &Throttled) {
        let limit = Limit { purpose: throttled.purpose.as_str(), limit: throttled.scope.as_str() };
        self.throttled.get_or_create(&limit).inc();
    }

    /// Everything in the text format of Prometheus.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut buffer = String::new();
        if let Err(error) = text::encode(&mut buffer, &self.registry) {
            tracing::error!(%error, "the metrics cannot be written");
        }
        buffer
    }
}

const fn word(step: Step) -> &'static str {
    match step {
        Step::Rotated => "rotated",
        Step::Adopted => "adopted",
        Step::Repeated => "repeated",
        Step::CaughtUp => "caught_up",
    }
}

/// Asks the pool when somebody looks, so that no request has to count.
#[derive(Debug)]
struct PoolCollector(Database);

impl Collector for PoolCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let status = self.0.status();
        let gauges = [
            ("database_connections", "Connections to the database", status.size),
            ("database_connections_idle", "Connections that nobody uses", status.available),
            ("database_connections_shared", "Connections that many requests use at once", status.shared),
            ("database_waiting", "Requests that wait for a connection", status.waiting),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
