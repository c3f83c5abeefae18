//! What the private listener tells of the gateway: whether it should get requests, and its metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use process::private::{NotReady, Probe};
use tokio::sync::watch;

use super::metrics::{Gauges, render};
use super::reload::Serving;
use super::spans::SpanCounts;
use crate::tokens::Tokens;

/// See the module.
pub(super) struct GatewayProbe {
    pub(super) serving: watch::Receiver<Serving>,
    pub(super) loads: Vec<Arc<AtomicUsize>>,
    pub(super) span_counts: Option<Arc<SpanCounts>>,
    pub(super) draining: watch::Receiver<bool>,
}

impl GatewayProbe {
    fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.serving.borrow().gateway.tokens)
    }

    /// What is wrong with the feed, whether or not it matters.
    fn feed_trouble(&self) -> Option<String> {
        let feed = self.tokens().feed()?;
        match feed.lag {
            _ if feed.overflowed => Some("revocations: more than there is room for".to_owned()),
            None => Some("revocations: no snapshot has come yet".to_owned()),
            Some(lag) if feed.stale => Some(format!("revocations: nothing heard for {} s", lag.as_secs())),
            Some(_) => None,
        }
    }
}

impl Probe for GatewayProbe {
    /// Keys are loaded, revocations are known if the configuration insists on it, and the process is not draining. A
    /// dead upstream does not count: the others are served.
    async fn ready(&self) -> Result<(), NotReady> {
        let draining = self.draining.borrow().then(|| "draining".to_owned());
        let tokens = self.tokens();
        let keys = (!tokens.has_keys()).then(|| "keys: no key set has been fetched yet".to_owned());
        let feed = if tokens.revocations().are_in_doubt() { self.feed_trouble() } else { None };
        let reasons: Vec<_> = [draining, keys, feed].into_iter().flatten().collect();
        if reasons.is_empty() { Ok(()) } else { Err(NotReady(reasons)) }
    }

    fn details(&self) -> Vec<String> {
        let refused = self.serving.borrow().reloads.refused;
        let refused = refused.then(|| "configuration: the file was refused, see the log".to_owned());
        self.feed_trouble().into_iter().chain(refused).collect()
    }

    fn metrics(&self) -> String {
        let serving = self.serving.borrow();
        let tokens = &serving.gateway.tokens;
        let gauges = Gauges {
            connections: self.loads.iter().map(|load| load.load(Ordering::Relaxed)).sum(),
            known_tokens: tokens.known(),
            has_keys: tokens.has_keys(),
            fetches: tokens.fetches(),
            feed: tokens.feed(),
            draining: *self.draining.borrow(),
            reloads: serving.reloads,
            connections_refused: serving.gateway.under_way.seats.refused(),
            callers_forgotten: serving.gateway.callers.forgotten(),
            spans: self.span_counts.as_ref().map(|counts| counts.get()),
        };
        render(&serving.metrics, &serving.clusters, &serving.gateway.config.routes, gauges)
    }
}
