//! Upstreams that are away, slow to notice, or many: what is tried again, and what never is.

use std::net::SocketAddr;

use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::{Setup, Upstream, full};

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_dead_upstream_is_503() {
    let gateway = Setup { servers: vec![nobody().await], ..Setup::default() }.start().await;
    let answer = gateway.ask("GET /public", &[]).await;
    answer.expect(503, "unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    let metrics = gateway.metrics().await;
    assert!(
        metrics.contains("gateway_upstream_failures_total{upstream=\"orders\",reason=\"unreachable\"} 1")
    );
    assert_eq!(gateway.ready().await.status, 503, "for want of keys only");
}

/// What an upstream does with the connection once it has read the request.
async fn after_reading(begins: &'static str, resets: bool) -> Upstream {
    Upstream::raw(move |mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(begins.as_bytes()).await;
        if resets {
            stream.set_zero_linger().unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn an_upstream_that_is_lost_before_it_answers_is_503_and_asked_once() {
    for (begins, resets) in [("", false), ("", true), ("HTTP/1.1 200 OK\r\nConte", false), ("HTT", true)] {
        let (lost, other) = (after_reading(begins, resets).await, Upstream::telling().await);
        for line in ["GET /public", "POST /public"] {
            let servers = vec![lost.address, other.address];
            let gateway = Setup { servers, ..Setup::default() }.start().await;
            let before = lost.connections();
            let answer = gateway.ask(line, &["Content-Length: 0"]).await;
            answer.expect(503, "answer_lost");
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert_eq!(lost.connections(), before + 1, "it may have acted on the request");
            let metrics = gateway.metrics().await;
            let counted = "gateway_upstream_failures_total{upstream=\"orders\",reason=\"broken\"} 1";
            assert!(metrics.contains(counted), "{metrics}");
        }
        assert!(other.seen().is_empty());
    }
}

#[tokio::test]
async fn an_upstream_that_is_lost_in_the_middle_of_the_upload_is_503() {
    let orders = after_reading("", true).await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    client.send("POST /public HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\nbegins").await;
    client.answer(false).await.expect(503, "answer_lost");
}

#[tokio::test]
async fn an_upstream_that_answers_something_else_is_502() {
    for answer in ["220 smtp.example ESMTP\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        let orders = after_reading(answer, false).await;
        let gateway = Setup::of(&orders).start().await;
        gateway.ask("GET /public", &[]).await.expect(502, "bad_gateway");
    }
}

#[tokio::test]
async fn an_upstream_that_speaks_first_is_never_passed_on() {
    let orders = Upstream::raw(|mut stream| async move {
        let _ = stream.write_all(b"220 smtp.example ESMTP\r\n").await;
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    let gateway = Setup::of(&orders).start().await;
    let status = gateway.ask("GET /public", &[]).await.status;
    assert!([502, 503].contains(&status), "{status}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_client() {
    let orders = Upstream::raw(|mut stream| async move {
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart").await;
    })
    .await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    client.send("GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap().0, 200);
    assert_eq!(client.line().await.as_deref(), Some("part"));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_no_request() {
    // Promises to keep the connection and closes it after every answer.
    let orders = Upstream::raw(|mut stream| async move {
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    })
    .await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    for turn in 0..100 {
        assert_eq!(client.ask("POST /public", &["Content-Length: 0"]).await.status, 200, "{turn}");
    }
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_is_dead() {
    let orders = Upstream::telling().await;
    let servers = vec![nobody().await, orders.address, nobody().await];
    let gateway = Setup { servers, ..Setup::default() }.start().await;
    let mut client = gateway.client().await;
    for _ in 0..20 {
        assert_eq!(client.ask("GET /public", &[]).await.status, 200);
    }
    let body = "POST /public HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
    let mut other = gateway.client().await;
    other.send(body).await;
    assert_eq!(other.answer(false).await.status, 200);
    assert_eq!(orders.last().body, b"hello", "the body was not lost on the way");
}

#[tokio::test]
async fn several_servers_share_the_work() {
    let named = |name: &'static str| Upstream::answering(move |_| async move { Response::new(full(name)) });
    let (one, two) = (named("one").await, named("two").await);
    let gateway = Setup { servers: vec![one.address, two.address], ..Setup::default() }.start().await;
    let mut client = gateway.client().await;
    for _ in 0..20 {
        assert_eq!(client.ask("GET /public", &[]).await.status, 200);
    }
    assert_eq!((one.seen().len(), two.seen().len()), (10, 10));
    assert_eq!(one.last().values("host"), [one.address.to_string()]);
    assert_eq!(two.last().values("host"), [two.address.to_string()]);
}
