//! Spans of sampled requests, on their way to the collector: kept by each core, sent once a second in the background.
//!
//! A collector that is slow or away costs spans (they are counted), never requests.

mod otlp;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

use crate::error::chain;
use crate::pipeline::canonical;
use crate::pipeline::trace::Trace;
use crate::upstream::{ConnectError, Target};

/// Spans that a core keeps until they are handed over, which is once a second.
const MOST_WAITING: usize = 2048;
/// Seconds of every core's batches that may wait for the collector.
const SECONDS: usize = 4;
/// Of a path: what a client sends may be long, and spans wait in memory.
const MOST_OF_PATH: usize = 256;
/// For one delivery.
const LIMIT: Duration = Duration::from_secs(5);
/// Of the collector's answer, which nobody looks at.
const MOST_BYTES: usize = 64 << 10;

/// A request, as it is told to the collector. No query, no header, no e-mail.
#[derive(Debug)]
pub struct Span {
    /// Its ids.
    pub trace: Trace,
    /// When it arrived.
    pub start: SystemTime,
    /// Until its answer's end.
    pub took: Duration,
    /// The request's method, if it is one that is routed. See [`Span::method`].
    pub method: Option<&'static str>,
    /// The request's path, as sent; its beginning, if it is long. See [`Span::path`].
    pub path: String,
    /// The path of its route, if it has one.
    pub route: Option<String>,
    /// Who was asked; empty if nobody.
    pub upstream: String,
    /// The answer's status.
    pub status: StatusCode,
    /// The id under which it is logged.
    pub request_id: HeaderValue,
}

/// What became of spans.
#[derive(Debug, Default)]
pub struct SpanCounts {
    exported: AtomicU64,
    dropped: AtomicU64,
}

/// The spans of one core.
#[derive(Debug)]
pub struct Spans {
    out: mpsc::Sender<Vec<Span>>,
    counts: Arc<SpanCounts>,
    waiting: RefCell<Vec<Span>>,
}

/// Where spans go.
#[derive(Debug, Clone)]
pub struct Collector {
    /// How it is reached.
    pub target: Target,
    /// What goes into `Host`.
    pub host: HeaderValue,
}

/// Where cores hand their spans over, and what became of them.
#[derive(Debug, Clone)]
pub struct Outlet {
    out: mpsc::Sender<Vec<Span>>,
    pub(super) counts: Arc<SpanCounts>,
}

/// Why a batch was not delivered.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("cannot reach the collector")]
    Connect(#[from] ConnectError),
    #[error("the collector does not answer in HTTP")]
    Exchange(#[from] hyper::Error),
    #[error("the collector answers {0}")]
    Status(StatusCode),
    #[error("the collector's answer cannot be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the collector took longer than {LIMIT:?}")]
    Timeout,
}

impl Span {
    /// The method, but for what is none: a client could send as many of its own as it likes, each as long as a head.
    pub fn method(method: &Method) -> Option<&'static str> {
        static ROUTED: [Method; 7] = canonical::METHODS;
        ROUTED.iter().find(|routed| *routed == method).map(Method::as_str)
    }

    /// As much of a path as is told.
    pub fn path(path: &str) -> String {
        path[..path.floor_char_boundary(MOST_OF_PATH)].to_owned()
    }
}

impl SpanCounts {
    /// How many were delivered, and how many lost.
    pub fn get(&self) -> (u64, u64) {
        (self.exported.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }

    fn lost(&self, spans: usize) {
        self.dropped.fetch_add(spans as u64, Ordering::Relaxed);
    }
}

impl Spans {
    /// Of a core.
    pub fn new(outlet: Outlet) -> Self {
        Self { out: outlet.out, counts: outlet.counts, waiting: RefCell::default() }
    }

    /// Keeps a span until it is handed over.
    pub fn record(&self, span: Span) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() < MOST_WAITING {
            waiting.push(span);
        } else {
            self.counts.lost(1);
        }
    }

    /// Hands over what there is.
    pub fn hand_over(&self) {
        let spans = self.waiting.take();
        if !spans.is_empty()
            && let Err(refused) = self.out.try_send(spans)
        {
            self.counts.lost(refused.into_inner().len());
        }
    }
}

/// Delivers until the last core is gone and everything is delivered or lost.
pub(super) fn exporter(collector: Collector) -> (Outlet, impl Future<Output = ()>) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (out, mut batches) = mpsc::channel::<Vec<Span>>(SECONDS * cores);
    let counts = Arc::new(SpanCounts::default());
    let outlet = Outlet { out, counts: Arc::clone(&counts) };
    let export = async move {
        let mut is_away = false;
        while let Some(spans) = batches.recv().await {
            let delivered = tokio::time::timeout(LIMIT, deliver(&collector, otlp::request(&spans)));
            match delivered.await.unwrap_or(Err(ExportError::Timeout)) {
                Ok(()) => drop(counts.exported.fetch_add(spans.len() as u64, Ordering::Relaxed)),
                Err(error) => {
                    counts.lost(spans.len());
                    if !is_away {
                        tracing::warn!(
                            error = chain(&error),
                            "spans are lost until the collector takes them"
                        );
                    }
                    is_away = true;
                    continue;
                }
            }
            is_away = false;
        }
    };
    (outlet, export)
}

async fn deliver(collector: &Collector, body: Vec<u8>) -> Result<(), ExportError> {
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static("/v1/traces");
    request.headers_mut().insert(HOST, collector.host.clone());
    request.headers_mut().insert(CONTENT_TYPE, const { HeaderValue::from_static("application/json") });
    let stream = collector.target.connect(LIMIT).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        if !answer.status().is_success() {
            return Err(ExportError::Status(answer.status()));
        }
        Limited::new(answer.into_body(), MOST_BYTES).collect().await.map_err(ExportError::Body)?;
        Ok(())
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        done = &mut exchange => done,
        closed = connection => match closed {
            Ok(()) => exchange.await,
            Err(error) => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cut_wherever_its_characters_end() {
        assert_eq!(Span::path("/a/\u{e9}"), "/a/\u{e9}");
        assert_eq!(Span::path(&"/".repeat(300)).len(), MOST_OF_PATH);
        assert_eq!(Span::path(&format!("/a{}", "\u{20ac}".repeat(300))).len(), MOST_OF_PATH - 2);
    }

    #[test]
    fn a_made_up_method_is_not_told() {
        assert_eq!(Span::method(&Method::PATCH), Some("PATCH"));
        assert_eq!(Span::method(&Method::from_bytes("X".repeat(8_000).as_bytes()).unwrap()), None);
        assert_eq!(Span::method(&Method::TRACE), None);
    }
}
