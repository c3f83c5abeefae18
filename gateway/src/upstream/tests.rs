//! One core's connections to servers that come, fail and go, on real sockets.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::{BodyExt as _, Empty};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, LocalSet};

use super::*;

type Body = Empty<Bytes>;

impl Sendable for Body {
    fn nothing(&self) -> Option<Self> {
        Some(Self::new())
    }
}

/// A server that answers with its own address.
async fn server() -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let name = move |_: Request<Incoming>| async move {
                Ok::<_, Infallible>(Response::new(address.to_string()))
            };
            tokio::task::spawn_local(
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(name)),
            );
        }
    });
    (address, accepting)
}

/// An upstream with one name, which nobody looks up but the test.
fn upstream() -> (Arc<Cluster>, Upstream<Body>) {
    let origin = Origin {
        name: "http://orders.test".to_owned(),
        target: Target::plain("orders.test", 80),
        host: HeaderValue::from_static("orders.test"),
    };
    let cluster = Arc::new(Cluster::new("orders", vec![origin]));
    (Arc::clone(&cluster), Upstream::new(cluster))
}

async fn ask(upstream: &Upstream<Body>) -> String {
    let (answer, lease) = upstream.send(Request::new(Body::new()), Duration::from_secs(5)).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    lease.give_back();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_name_that_moves_takes_its_requests_along() {
    let here = async {
        let [(one, _), (two, _), (three, _)] = [server().await, server().await, server().await];
        let (cluster, upstream) = upstream();
        cluster.resolved(0, &[one, two], Instant::now());
        let asked = [ask(&upstream).await, ask(&upstream).await];
        assert!(asked.contains(&one.to_string()) && asked.contains(&two.to_string()), "{asked:?}");

        let (answer, lease) = upstream.send(Request::new(Body::new()), Duration::from_secs(5)).await.unwrap();
        cluster.resolved(0, &[three], Instant::now());
        for _ in 0..5 {
            assert_eq!(ask(&upstream).await, three.to_string());
        }
        assert_eq!(upstream.idle(), 1, "connections to addresses that are gone are closed");
        let late = answer.into_body().collect().await.unwrap().to_bytes();
        assert_ne!(late, three.to_string(), "what was under way at the old address ends there");
        lease.give_back();
        assert_eq!(upstream.idle(), 1);
    };
    LocalSet::new().run_until(here).await;
}

#[tokio::test]
async fn a_server_whose_checks_fail_is_not_asked_and_the_last_one_neither() {
    let here = async {
        let [(one, _), (two, _)] = [server().await, server().await];
        let (cluster, upstream) = upstream();
        cluster.resolved(0, &[one, two], Instant::now());
        let checks = Thresholds { healthy: 1, unhealthy: 1 };
        let members: Vec<_> = cluster.view().into_iter().map(|view| view.member).collect();
        cluster.checked(&members[0], false, checks, Instant::now());
        for _ in 0..5 {
            assert_eq!(ask(&upstream).await, members[1].address());
        }
        cluster.checked(&members[1], false, checks, Instant::now());
        let refused = upstream.send(Request::new(Body::new()), Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(refused, SendError::NoneHealthy), "{refused}");
        cluster.checked(&members[0], true, checks, Instant::now());
        assert_eq!(ask(&upstream).await, members[0].address());
    };
    LocalSet::new().run_until(here).await;
}
