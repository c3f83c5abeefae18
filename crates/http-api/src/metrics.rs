//! Requests by route and status, and how long they took.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use axum::extract::MatchedPath;
use http::{Method, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds in seconds: a refresh takes well under a millisecond, a login some hundred.
const BUCKETS: [f64; 12] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The pattern that a request matched, never its path: the values are few. Shared with the router, not copied.
#[derive(Debug, Clone)]
pub(crate) struct Route(pub(crate) Option<MatchedPath>);

impl Route {
    /// The pattern; `none` for a request without one.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_ref().map_or("none", MatchedPath::as_str)
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Route {}

impl Hash for Route {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.as_str().encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: Route,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Timed {
    route: Route,
}

/// `http_requests_total{method,route,status}` and `http_request_duration_seconds{route}`.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: Family<Answered, Counter>,
    durations: Family<Timed, Histogram>,
}

impl HttpMetrics {
    /// Makes the metrics and enters them into the registry.
    pub fn register(registry: &mut Registry) -> Self {
        let requests = Family::default();
        let durations: Family<Timed, Histogram> = Family::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("http_request_duration_seconds", "From request to answer", durations.clone());
        Self { requests, durations }
    }

    pub(crate) fn record(&self, method: &Method, route: Route, status: StatusCode, elapsed: Duration) {
        let answered = Answered { method: word(method), route: route.clone(), status: status.as_u16() };
        self.requests.get_or_create(&answered).inc();
        self.durations.get_or_create(&Timed { route }).observe(elapsed.as_secs_f64());
    }
}

/// A client may make words up; those are one word here.
const fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
