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

/// All the ways in which an answer is lost before its head is complete.
const LOSSES: [(&str, bool); 4] =
    [("", false), ("", true), ("HTTP/1.1 200 OK\r\nConte", false), ("HTT", true)];

#[tokio::test]
async fn a_request_that_may_have_done_something_is_never_sent_again() {
    for (begins, resets) in LOSSES {
        let (lost, other) = (after_reading(begins, resets).await, Upstream::telling().await);
        let servers = vec![lost.address, other.address];
        let gateway = Setup { servers, ..Setup::default() }.start().await;
        let answer = gateway.ask("POST /public", &["Content-Length: 0"]).await;
        answer.expect(503, "answer_lost");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(lost.connections(), 1, "it may have acted on the request");
        assert!(other.seen().is_empty());
        let metrics = gateway.metrics().await;
        let counted = "gateway_upstream_failures_total{upstream=\"orders\",reason=\"broken\"} 1";
        assert!(metrics.contains(counted), "{metrics}");
    }
}

#[tokio::test]
async fn a_request_that_asks_for_nothing_to_be_done_is_sent_to_another_server() {
    for (begins, resets) in LOSSES {
        for method in ["GET", "HEAD", "OPTIONS"] {
            let (lost, other) = (after_reading(begins, resets).await, Upstream::telling().await);
            let servers = vec![lost.address, other.address];
            let gateway = Setup { servers, ..Setup::default() }.start().await;
            let answer = gateway.ask(&format!("{method} /public?a=b"), &["X-Kept: yes"]).await;
            assert_eq!((answer.status, lost.connections()), (200, 1), "{method}");
            let seen = other.last();
            assert_eq!((seen.method.as_str(), seen.uri.to_string().as_str()), (method, "/public?a=b"));
            assert_eq!(seen.values("x-kept"), ["yes"]);
            assert_eq!(seen.values("host"), [other.address.to_string()]);
            let counted = "gateway_upstream_retries_total{upstream=\"orders\",result=\"made\"} 1";
            assert!(gateway.metrics().await.contains(counted));
        }
    }
}

#[tokio::test]
async fn a_get_with_a_body_is_not_sent_again() {
    let (lost, other) = (after_reading("", false).await, Upstream::telling().await);
    let servers = vec![lost.address, other.address];
    let gateway = Setup { servers, ..Setup::default() }.start().await;
    let mut client = gateway.client().await;
    client.send("GET /public HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi").await;
    client.answer(false).await.expect(503, "answer_lost");
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn a_lost_request_is_sent_again_once_and_only_where_there_is_another_server() {
    let one = after_reading("", false).await;
    let gateway = Setup::of(&one).start().await;
    gateway.ask("GET /public", &[]).await.expect(503, "answer_lost");
    assert_eq!(one.connections(), 1);

    let three =
        [after_reading("", false).await, after_reading("", true).await, after_reading("", true).await];
    let servers = three.iter().map(|server| server.address).collect();
    let gateway = Setup { servers, ..Setup::default() }.start().await;
    gateway.ask("GET /public", &[]).await.expect(503, "answer_lost");
    assert_eq!(three.iter().map(Upstream::connections).sum::<usize>(), 2);
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_not_asked_for_again() {
    let (wrong, other) =
        (after_reading("220 smtp.example ESMTP\r\n\r\n", false).await, Upstream::telling().await);
    let servers = vec![wrong.address, other.address];
    let gateway = Setup { servers, ..Setup::default() }.start().await;
    gateway.ask("GET /public", &[]).await.expect(502, "bad_gateway");
    assert!(other.seen().is_empty());
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
