//! What is counted and logged of a request: one access log line and a few counters, at its very end.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderValue, Method, StatusCode, Uri};

use super::principal::Principal;
use super::trace::Trace;
use crate::config::{Route, UpstreamId};
use crate::runtime::access_log::Line;
use crate::runtime::core::Core;
use crate::runtime::metrics::TokenResult;
use crate::runtime::spans::Span;
use crate::runtime::watch::Watch;
use crate::under_way::Permit;
use crate::upstream::Answerer;

/// As nginx has it: the client went away before there was an answer.
const CLIENT_CLOSED: u16 = 499;

/// One request, from its head to the last byte of its answer, whichever way it ends. Dropping it writes the line.
#[derive(Debug)]
pub struct Exchange {
    core: Rc<Core>,
    watch: Rc<Watch>,
    arrival: Instant,
    at: SystemTime,
    method: Method,
    uri: Uri,
    client: IpAddr,
    request_id: HeaderValue,
    trace: Option<Trace>,
    user: HeaderValue,
    upstream: Option<UpstreamId>,
    answerer: Option<Answerer>,
    /// Its index in the configuration.
    route: Option<usize>,
    token: Option<TokenResult>,
    refused: Option<&'static str>,
    spoofed: bool,
    status: StatusCode,
    /// Until the answer's head was there.
    head: Option<Duration>,
    bytes: u64,
    /// What came in over a websocket; none for anything else.
    received: Option<u64>,
    complete: bool,
    permits: Vec<Permit>,
}

/// When a request arrived, by both clocks: read once, and passed on from here.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// For measuring.
    pub instant: Instant,
    /// For rules and logs.
    pub time: SystemTime,
}

impl Arrival {
    /// In Unix seconds.
    pub fn unix_seconds(&self) -> i64 {
        let since = self.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }

    /// The instant of a time in Unix seconds that is yet to come; none if it is not, or never comes.
    pub fn until(&self, unix_seconds: i64) -> Option<Instant> {
        let seconds = u64::try_from(unix_seconds.saturating_sub(self.unix_seconds())).ok()?;
        self.instant.checked_add(Duration::from_secs(seconds))
    }
}

impl Exchange {
    /// A request has arrived.
    pub fn begin(
        core: &Rc<Core>,
        watch: &Rc<Watch>,
        arrival: Arrival,
        (method, uri): (&Method, &Uri),
        client: IpAddr,
        request_id: HeaderValue,
        trace: Option<Trace>,
    ) -> Self {
        Self {
            core: Rc::clone(core),
            watch: Rc::clone(watch),
            arrival: arrival.instant,
            at: arrival.time,
            method: method.clone(),
            uri: uri.clone(),
            client,
            request_id,
            trace,
            user: const { HeaderValue::from_static("") },
            upstream: None,
            answerer: None,
            route: None,
            token: None,
            refused: None,
            spoofed: false,
            status: StatusCode::from_u16(CLIENT_CLOSED).unwrap_or(StatusCode::BAD_REQUEST),
            head: None,
            bytes: 0,
            received: None,
            complete: false,
            permits: Vec::new(),
        }
    }

    /// The id under which the request is logged everywhere.
    pub const fn request_id(&self) -> &HeaderValue {
        &self.request_id
    }

    /// The route that it belongs to, once that is known.
    pub fn route(&self) -> Option<&Route> {
        self.core.gateway.config.routes.get(self.route?)
    }

    /// The request belongs to the route of this index.
    pub const fn routed(&mut self, route: usize) {
        self.route = Some(route);
    }

    /// The token that came with it was dealt with.
    pub fn token(&mut self, result: TokenResult) {
        self.token = Some(result);
        self.core.metrics.token(result);
    }

    /// It is answered with a problem of this code.
    pub fn refused(&mut self, code: &'static str) {
        self.refused = Some(code);
        self.core.metrics.refused_with(code);
    }

    /// The client sent headers that only the gateway writes; they went no further.
    pub fn spoofed(&mut self) {
        self.spoofed = true;
        self.core.metrics.spoofed();
    }

    /// The trace that the request belongs to.
    pub const fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// Who is calling has become known.
    pub fn called_by(&mut self, principal: &Principal) {
        self.user = principal.user_id().clone();
    }

    /// It is counted among what is under way, until it ends.
    pub fn holds(&mut self, permit: Permit) {
        self.permits.push(permit);
    }

    /// An upstream is asked.
    pub const fn goes_to(&mut self, upstream: UpstreamId) {
        self.upstream = Some(upstream);
    }

    /// A server of the upstream answered.
    pub fn answered_by(&mut self, answerer: Answerer) {
        self.answerer = Some(answerer);
    }

    /// The answer's head is ready.
    pub fn answered(&mut self, status: StatusCode) {
        self.status = status;
        self.head = self.upstream.filter(|_| self.refused.is_none()).map(|_| self.arrival.elapsed());
    }

    /// So many bytes of the answer's body went out.
    pub const fn sent(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// The connection goes on as a websocket, and ends with it.
    pub fn switched(&mut self) {
        self.received = Some(0);
        self.core.metrics.websocket_opened(self.upstream);
    }

    /// So many bytes came in over the websocket.
    pub const fn received(&mut self, bytes: u64) {
        self.received = Some(bytes);
    }

    /// The answer's body is complete.
    pub const fn completed(&mut self) {
        self.complete = true;
    }
}

impl Exchange {
    fn route_path(&self) -> Option<&str> {
        self.route().map(Route::written)
    }

    /// Rare: sampled requests only.
    #[cold]
    fn span(&self, trace: Trace, took: Duration) -> Span {
        Span {
            trace,
            start: self.at,
            took,
            method: Span::method(&self.method),
            path: Span::path(self.uri.path()),
            route: self.route_path().map(str::to_owned),
            upstream: self.upstream.map_or("", |id| self.core.upstream_name(id)).to_owned(),
            status: self.status,
            request_id: self.request_id.clone(),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let now = Instant::now();
        self.watch.request_finished(now);
        let took = now.saturating_duration_since(self.arrival);
        match self.received {
            None => self.core.metrics.answered(self.upstream, self.status, took, self.bytes),
            Some(received) => self.core.metrics.websocket_closed(self.upstream, received, self.bytes),
        }
        if let Some(route) = self.route {
            self.core.metrics.routed(route, self.status);
        }
        if let (Some(spans), Some(trace)) = (&self.core.spans, self.trace.filter(|trace| trace.sampled)) {
            spans.record(self.span(trace, took));
        }
        self.core.log.write(&Line {
            at: self.at,
            method: &self.method,
            path: self.uri.path(),
            route: self.route_path(),
            decision: match (self.upstream, self.refused) {
                (Some(_), _) => "forward",
                (None, Some(_)) => "refuse",
                (None, None) => "answer",
            },
            reason: self.refused,
            token: self.token.map(TokenResult::as_str),
            spoofed: self.spoofed,
            status: self.status,
            head: self.head,
            server: self.answerer.as_ref().map_or("", |answerer| &answerer.server),
            connecting: self.answerer.as_ref().and_then(|answerer| answerer.connecting),
            took,
            bytes: self.bytes,
            received: self.received,
            complete: self.complete || self.method == Method::HEAD,
            upstream: self.upstream.map_or("", |id| self.core.upstream_name(id)),
            request_id: &self.request_id,
            trace: self.trace.map(|trace| trace.hex()),
            user: &self.user,
            client: self.client,
        });
    }
}
