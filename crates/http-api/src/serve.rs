//! Serving a router until told to stop, and then until what is in flight is done.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use http::Request;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;
use tracing::{debug, info, warn};

/// A peer (the gateway) that has not sent its request head by then is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connections are kept after the stop for whoever does not know of it yet. A peer that writes a request at the very
/// moment in which its idle connection is closed cannot tell whether it was read; one that gets its answer with
/// `Connection: close` can.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long requests in flight may take after that.
const DRAIN: Duration = Duration::from_secs(20);
/// A peer that acknowledges nothing for so long is gone, and so is its connection.
#[cfg(target_os = "linux")]
const GONE: Duration = Duration::from_secs(25);
/// One that has nothing to acknowledge is asked whether it is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The connection's other end, in the extensions of each request that [`serve`] takes in. Behind the gateway that is the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

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
                Ok((stream, peer)) => spawn(stream, PeerAddress(peer), router.clone(), &graceful),
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

/// A machine that is gone says no goodbye, and TCP would go on sending to it for a quarter of an hour.
fn set_options(stream: &TcpStream) -> io::Result<()> {
    // Answers are small and complete: waiting for more to send would only delay them.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&probes)?;
    // What was sent and is not acknowledged stops the probes. Elsewhere the system's own patience has to do.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(GONE))?;
    Ok(())
}

fn spawn(stream: TcpStream, peer: PeerAddress, router: Router, graceful: &GracefulShutdown) {
    if let Err(error) = set_options(&stream) {
        debug!(%error, "socket options");
    }
    let router = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request
    });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_peer_that_is_gone_is_found_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (_client, (stream, _)) = (client.await.unwrap(), listener.accept().await.unwrap());
        set_options(&stream).unwrap();
        let socket = SockRef::from(&stream);
        assert!(stream.nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_IDLE);
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(GONE));
    }
}
