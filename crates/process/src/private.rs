//! The private listener: `/healthz` (alive), `/readyz` (would a request succeed), `/metrics` (Prometheus text), and what
//! pages the process adds.
//!
//! It carries no secrets, but it is for operators: bind it to loopback or to a network of theirs.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a process should get no requests now, one short reason each, such as `database: connection refused`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct NotReady(pub Vec<String>);

/// What a process tells its operator.
pub trait Probe: Send + Sync + 'static {
    /// Would a request succeed? Answered within a second, whatever hangs.
    fn ready(&self) -> impl Future<Output = Result<(), NotReady>> + Send;

    /// What an operator should know although the process is ready, a line each.
    fn details(&self) -> Vec<String> {
        Vec::new()
    }

    /// All metrics in the Prometheus text format, version 0.0.4.
    fn metrics(&self) -> String;

    /// A page of the process's own at this path.
    fn page(&self, _path: &str) -> impl Future<Output = Option<Page>> + Send {
        std::future::ready(None)
    }
}

/// Something to read on the private listener.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its media type.
    pub content_type: HeaderValue,
    /// The whole of it.
    pub body: String,
}

impl Page {
    /// One for people.
    #[must_use]
    pub const fn html(body: String) -> Self {
        Self { content_type: HeaderValue::from_static("text/html; charset=utf-8"), body }
    }

    /// One for programs.
    #[must_use]
    pub const fn json(body: String) -> Self {
        Self { content_type: HeaderValue::from_static("application/json"), body }
    }
}

/// Serves the paths until the future is dropped.
pub async fn serve(listener: TcpListener, probe: Arc<impl Probe>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve_connection(stream, Arc::clone(&probe)))),
            // Out of descriptors, or the peer has gone again: neither is a reason to stop listening.
            Err(error) => {
                tracing::warn!(%error, "private listener: accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, probe: Arc<impl Probe>) {
    let service = service_fn(move |request| {
        let probe = Arc::clone(&probe);
        async move { Ok::<_, Infallible>(answer(&request, &*probe).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "private listener: connection");
    }
}

async fn answer<B>(request: &Request<B>, probe: &impl Probe) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned());
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "alive\n".to_owned()),
        "/readyz" => match probe.ready().await {
            Ok(()) => {
                let lines = probe.details().iter().fold("ready\n".to_owned(), |all, line| all + line + "\n");
                text(StatusCode::OK, lines)
            }
            Err(reasons) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready\n{reasons}\n")),
        },
        "/metrics" => text(StatusCode::OK, probe.metrics()),
        path => match probe.page(path).await {
            Some(page) => respond(StatusCode::OK, page),
            None => text(StatusCode::NOT_FOUND, "/healthz, /readyz and /metrics are here\n".to_owned()),
        },
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    respond(status, Page { content_type, body })
}

fn respond(status: StatusCode, page: Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(page.body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, page.content_type);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    struct Fixed(Result<(), NotReady>);

    struct Limping;

    impl Probe for Limping {
        async fn ready(&self) -> Result<(), NotReady> {
            Ok(())
        }
        fn details(&self) -> Vec<String> {
            vec!["feed: behind".to_owned()]
        }
        fn metrics(&self) -> String {
            String::new()
        }
        async fn page(&self, path: &str) -> Option<Page> {
            let content_type = HeaderValue::from_static("application/json");
            (path == "/openapi.json").then(|| Page { content_type, body: "{}".to_owned() })
        }
    }

    impl Probe for Fixed {
        async fn ready(&self) -> Result<(), NotReady> {
            self.0.clone()
        }
        fn metrics(&self) -> String {
            "requests_total 1\n".to_owned()
        }
    }

    async fn get(path: &str, probe: &impl Probe) -> (u16, String) {
        let response = answer(&Request::get(path).body(()).unwrap(), probe).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn answers_each_path() {
        let ready = Fixed(Ok(()));
        assert_eq!(get("/healthz", &ready).await, (200, "alive\n".into()));
        assert_eq!(get("/readyz", &ready).await, (200, "ready\n".into()));
        assert_eq!(get("/metrics", &ready).await, (200, "requests_total 1\n".into()));
        assert_eq!(get("/else", &ready).await.0, 404);
    }

    #[tokio::test]
    async fn shows_the_pages_of_the_process() {
        assert_eq!(get("/openapi.json", &Limping).await, (200, "{}".into()));
        assert_eq!(get("/openapi", &Limping).await.0, 404);
    }

    #[tokio::test]
    async fn says_what_is_wrong_although_it_is_ready() {
        assert_eq!(get("/readyz", &Limping).await, (200, "ready\nfeed: behind\n".into()));
    }

    #[tokio::test]
    async fn says_why_it_is_not_ready() {
        let probe = Fixed(Err(NotReady(vec!["draining".into(), "database: away".into()])));
        assert_eq!(get("/readyz", &probe).await, (503, "not ready\ndraining\ndatabase: away\n".into()));
        assert_eq!(get("/healthz", &probe).await.0, 200);
    }
}
