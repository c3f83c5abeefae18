//! Serving a router until told to stop, and then until what is in flight is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use http::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, info, warn};

/// A peer (the gateway) that has not sent its request head by then is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connections are kept after the stop for whoever does not know of it yet. A peer that writes a request at the very
/// moment in which its idle connection is closed cannot tell whether it was read; one that gets its answer with
/// `Connection: close` can.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long requests in flight may take after that.
const DRAIN: Duration = Duration::from_secs(20);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts HTTP/1.1 connections and serves `router` on them.
///
/// When `stop` resolves, no connection is accepted any more, and every answer closes its connection. A second later idle
/// ones close, and requests in flight are finished, for at most 20 seconds.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let stopping = Arc::new(AtomicBool::new(false));
    let router = router.layer(map_response({
        let stopping = Arc::clone(&stopping);
        move |answer| std::future::ready(with_farewell(answer, &stopping))
    }));
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => spawn(stream, router.clone(), &graceful),
                Err(error) => {
                    warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = &mut stop => break,
        }
    }
    drop(listener);
    stopping.store(true, Ordering::Relaxed);
    info!(connections = graceful.count(), "draining");
    tokio::time::sleep(FAREWELL).await;
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        warn!("some requests were still in flight");
    }
}

fn with_farewell(mut answer: Response, stopping: &AtomicBool) -> Response {
    if stopping.load(Ordering::Relaxed) {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

fn spawn(stream: TcpStream, router: Router, graceful: &GracefulShutdown) {
    // Answers are small and complete: waiting for more to send would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "set_nodelay");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(%error, "connection");
        }
    });
}
