//! What each core counts; [`render`] makes a page of it.
//!
//! Every counter has one writer, its core, so counting is a plain store; only a scrape reads across cores.

mod page;
mod servers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use problem::codes;

use crate::config::UpstreamId;
use crate::error::Rejection;
use crate::pipeline::limit::TooOften;

pub use page::{Gauges, render};

/// The upper bounds of the duration buckets, in microseconds.
const BOUNDS: [u64; 12] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 30_000_000];

/// What only goes up, or is set, by one core.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Only the counter's own core may call this.
    pub fn add(&self, amount: u64) {
        self.set(self.get().wrapping_add(amount));
    }

    /// Likewise.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How an exchange with an upstream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// No server could be reached.
    Unreachable,
    /// The connection broke.
    Broken,
    /// Too slow.
    Timeout,
}

/// How a token was dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenResult {
    /// It was in the cache.
    Known,
    /// Its signature was checked.
    Checked,
    /// It was not accepted.
    Refused,
    /// It was good until it was revoked.
    Revoked,
}

impl TokenResult {
    /// In the order of the counters.
    pub(crate) const ALL: [Self; 4] = [Self::Known, Self::Checked, Self::Refused, Self::Revoked];

    /// As metrics and logs call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Checked => "checked",
            Self::Refused => "refused",
            Self::Revoked => "revoked",
        }
    }
}

/// The counters of one core, as one generation of the configuration numbers its upstreams.
#[derive(Debug)]
pub struct CoreMetrics {
    /// One for each upstream, and the last for requests that reached none.
    upstreams: Box<[Arc<PerUpstream>]>,
    /// Answers by class of status, one for each route.
    routes: Box<[Arc<[Counter; 5]>]>,
    whole: Arc<Whole>,
}

/// Where the counters of a generation are those of the one before, by upstream and by route.
#[derive(Debug)]
pub struct Kept {
    /// The ids that upstreams had.
    pub upstreams: Vec<Option<UpstreamId>>,
    /// The indices that routes had.
    pub routes: Vec<Option<usize>>,
}

/// By the position of the code in [`codes::ALL`].
#[derive(Debug)]
struct Refusals(Box<[Counter]>);

impl Default for Refusals {
    fn default() -> Self {
        Self(codes::ALL.iter().map(|_| Counter::default()).collect())
    }
}

/// What no upstream has a part in.
#[derive(Debug, Default)]
struct Whole {
    tokens: [Counter; TokenResult::ALL.len()],
    too_often: [Counter; 3],
    overloaded: [Counter; 2],
    refusals: Refusals,
    spoofed: Counter,
    lines_dropped: Counter,
}

#[derive(Debug, Default)]
struct PerUpstream {
    statuses: [Counter; 5],
    durations: [Counter; BOUNDS.len() + 1],
    micros: Counter,
    bytes: Counter,
    failures: [Counter; 3],
    idle: Counter,
    websockets: Counter,
    websocket_bytes: [Counter; 2],
}

impl CoreMetrics {
    /// All zero, for so many upstreams and routes.
    pub fn new(upstreams: usize, routes: usize) -> Self {
        let upstreams = (0..=upstreams).map(|_| Arc::default()).collect();
        let routes = (0..routes).map(|_| Arc::default()).collect();
        Self { upstreams, routes, whole: Arc::default() }
    }

    /// The same counters for the next generation. An upstream or route that is new begins at zero; one that is gone is
    /// forgotten with the last request to it.
    pub fn for_next(&self, kept: &Kept) -> Self {
        let upstream = |id: &Option<UpstreamId>| {
            id.map_or_else(Arc::default, |UpstreamId(index)| Arc::clone(&self.upstreams[index]))
        };
        let route =
            |index: &Option<usize>| index.map_or_else(Arc::default, |index| Arc::clone(&self.routes[index]));
        let none = self.upstreams.last().cloned();
        Self {
            upstreams: kept.upstreams.iter().map(upstream).chain(none).collect(),
            routes: kept.routes.iter().map(route).collect(),
            whole: Arc::clone(&self.whole),
        }
    }

    /// A request to a route is over.
    pub fn routed(&self, route: usize, status: StatusCode) {
        if let Some(counters) = self.routes.get(route) {
            counters[class(status)].add(1);
        }
    }

    /// An answer is complete.
    pub fn answered(&self, upstream: Option<UpstreamId>, status: StatusCode, took: Duration, bytes: u64) {
        let per = self.upstream(upstream);
        per.statuses[class(status)].add(1);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|&bound| micros <= bound).unwrap_or(BOUNDS.len());
        per.durations[bucket].add(1);
        per.micros.add(micros);
        per.bytes.add(bytes);
    }

    /// A websocket is open.
    pub fn websocket_opened(&self, upstream: Option<UpstreamId>) {
        self.upstream(upstream).websockets.add(1);
    }

    /// A websocket is over; it counts as an answer, but its duration tells nothing of anybody's speed.
    pub fn websocket_closed(&self, upstream: Option<UpstreamId>, received: u64, sent: u64) {
        let per = self.upstream(upstream);
        per.websockets.set(per.websockets.get().saturating_sub(1));
        per.statuses[0].add(1);
        per.websocket_bytes[0].add(received);
        per.websocket_bytes[1].add(sent);
    }

    /// An exchange failed.
    pub fn failed(&self, upstream: UpstreamId, how: Failed) {
        self.upstream(Some(upstream)).failures[how as usize].add(1);
    }

    /// A token was dealt with.
    pub fn token(&self, result: TokenResult) {
        self.whole.tokens[result as usize].add(1);
    }

    /// A request was answered with a problem of this code.
    pub fn refused_with(&self, code: &str) {
        let index = codes::ALL.iter().position(|known| *known == code);
        if let Some(counter) = index.and_then(|index| self.whole.refusals.0.get(index)) {
            counter.add(1);
        }
    }

    /// Identity headers came from a client, and were dropped.
    pub fn spoofed(&self) {
        self.whole.spoofed.add(1);
    }

    /// A request was refused by the gateway itself.
    pub fn refused(&self, rejection: &Rejection) {
        match rejection {
            Rejection::TooOften(TooOften { scope, .. }) => self.whole.too_often[*scope as usize].add(1),
            Rejection::Overloaded(what) => self.whole.overloaded[*what as usize].add(1),
            _ => {}
        }
    }

    /// So many access log lines were taken by nobody.
    pub fn lost_lines(&self, lines: u64) {
        self.whole.lines_dropped.add(lines);
    }

    /// So many connections to the upstream are idle.
    pub fn idle(&self, upstream: UpstreamId, connections: usize) {
        self.upstream(Some(upstream)).idle.set(connections as u64);
    }

    fn upstream(&self, upstream: Option<UpstreamId>) -> &PerUpstream {
        let none = self.upstreams.len() - 1;
        &self.upstreams[upstream.map_or(none, |UpstreamId(index)| index.min(none))]
    }
}

/// 0 for 1xx, and so on.
fn class(status: StatusCode) -> usize {
    usize::from(status.as_u16() / 100).clamp(1, 5) - 1
}
