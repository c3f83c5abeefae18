//! Slow clients and slow upstreams: each is cut off by the limit that is meant for it, and by no other.

use std::time::{Duration, Instant};

use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Client, Gateway, Setup, Upstream, full};

/// Reads a request and never answers.
async fn silent() -> Upstream {
    Upstream::raw(|mut stream| async move {
        let mut asked = [0; 4096];
        while stream.read(&mut asked).await.is_ok_and(|read| read > 0) {}
    })
    .await
}

#[tokio::test]
async fn a_head_that_does_not_arrive_ends_the_connection() {
    let orders = Upstream::telling().await;
    let gateway = Setup { timeouts: "head = \"100ms\"", ..Setup::of(&orders) }.start().await;
    let mut nothing = gateway.client().await;
    assert!(nothing.is_closed().await);
    let mut part = gateway.client().await;
    part.send("GET /public HTTP/1.1\r\nHost: loc").await;
    assert!(part.is_closed().await);
    let mut second = gateway.client().await;
    assert_eq!(second.ask("GET /public", &[]).await.status, 200);
    second.send("GET").await;
    let since = Instant::now();
    assert!(second.is_closed().await);
    assert!(since.elapsed() < Duration::from_secs(10), "by the limit for heads, not the one for idling");
}

#[tokio::test]
async fn a_connection_between_requests_may_rest_longer_than_a_head_may_take() {
    let orders = Upstream::telling().await;
    let timeouts = "head = \"100ms\"\nidle = \"600ms\"";
    let gateway = Setup { timeouts, ..Setup::of(&orders) }.start().await;
    let mut client = gateway.client().await;
    assert_eq!(client.ask("GET /public", &[]).await.status, 200);
    let since = Instant::now();
    assert!(client.is_closed().await);
    assert!(since.elapsed() >= Duration::from_millis(550), "{:?}", since.elapsed());
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_504() {
    let orders = silent().await;
    let gateway = Setup { timeouts: "first_byte = \"100ms\"", ..Setup::of(&orders) }.start().await;
    let mut client = gateway.client().await;
    client.ask("GET /public", &[]).await.expect(504, "gateway_timeout");
    client.send("POST /public HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello").await;
    client.answer(false).await.expect(504, "gateway_timeout");
    assert_eq!(orders.connections(), 2, "neither connection was used again");
    assert!(gateway.metrics().await.contains("reason=\"timeout\"} 2"));
}

#[tokio::test]
async fn an_upload_may_take_longer_than_an_answer() {
    let orders = Upstream::telling().await;
    let gateway = Setup { timeouts: "first_byte = \"150ms\"", ..Setup::of(&orders) }.start().await;
    let mut client = gateway.client().await;
    client.send("POST /public HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n").await;
    for piece in ["h", "e", "l", "l", "o"] {
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.send(piece).await;
    }
    assert_eq!(client.answer(false).await.status, 200);
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_408() {
    let orders = Upstream::telling().await;
    let gateway = Setup { timeouts: "idle = \"100ms\"", ..Setup::of(&orders) }.start().await;
    let mut client = gateway.client().await;
    client.send("POST /public HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhel").await;
    client.answer(false).await.expect(408, "request_timeout");
    assert!(client.is_closed().await);
    assert!(orders.seen().is_empty());
}

#[tokio::test]
async fn an_answer_that_stops_arriving_breaks_off() {
    let orders = Upstream::raw(|mut stream| async move {
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart").await;
        while stream.read(&mut asked).await.is_ok_and(|read| read > 0) {}
    })
    .await;
    let gateway = Setup { timeouts: "idle = \"100ms\"", ..Setup::of(&orders) }.start().await;
    let mut client = gateway.client().await;
    client.send("GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap().0, 200);
    assert_eq!(client.line().await.as_deref(), Some("part"));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let orders = Upstream::answering(|_| async { Response::new(full(vec![b'x'; 64 << 20])) }).await;
    let gateway = Setup { timeouts: "idle = \"200ms\"", ..Setup::of(&orders) }.start().await;
    let mut client = gateway.client().await;
    client.send("GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    test_support::eventually("the connection is closed", async || {
        gateway.metrics().await.contains("gateway_connections 0\n").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stream_lives_as_long_as_something_moves() {
    let orders = Upstream::raw(|mut stream| async move {
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let _ = stream.write_all(b"1\r\nx\r\n").await;
        }
        let _ = stream.write_all(b"0\r\n\r\n").await;
    })
    .await;
    let timeouts = "head = \"200ms\"\nfirst_byte = \"200ms\"\nidle = \"200ms\"";
    let gateway = Setup { timeouts, ..Setup::of(&orders) }.start().await;
    assert_eq!(gateway.ask("GET /public", &[]).await.body, b"xxxxxxxx");
}

/// Sends a body without end as long as it is taken, and waits for the answer that the upstream is to blame.
async fn upload_in_vain(gateway: &Gateway) -> Client {
    let mut client = gateway.client().await;
    client.send("POST /public HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\n\r\n").await;
    let piece = vec![b'x'; 1 << 20];
    let moment = Duration::from_millis(100);
    while tokio::time::timeout(moment, client.try_send(&piece)).await.is_ok_and(|sent| sent) {}
    client.answer(false).await.expect(504, "gateway_timeout");
    client
}

/// Keeps its connections open and reads nothing; says from which port each came.
async fn deaf() -> (Upstream, tokio::sync::mpsc::UnboundedReceiver<u16>) {
    let (tell, ports) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::raw(move |stream| {
        tell.send(stream.peer_addr().unwrap().port()).unwrap();
        async move {
            let _open = stream;
            std::future::pending::<()>().await;
        }
    })
    .await;
    (upstream, ports)
}

#[tokio::test]
async fn a_client_whose_upstream_does_not_read_is_let_go_with_its_answer() {
    let (orders, _ports) = deaf().await;
    let gateway = Setup { timeouts: "idle = \"200ms\"", ..Setup::of(&orders) }.start().await;
    assert!(upload_in_vain(&gateway).await.is_closed().await);
}

/// The peer cannot notice the end behind what it does not read, so the system is asked.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_to_an_upstream_that_does_not_read_is_given_up() {
    let (orders, mut ports) = deaf().await;
    let gateway = Setup { timeouts: "idle = \"200ms\"", ..Setup::of(&orders) }.start().await;
    let _client = upload_in_vain(&gateway).await;
    let local = format!(" 0100007F:{:04X} ", ports.recv().await.unwrap());
    test_support::eventually("the gateway has closed it", async || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let ours = table.lines().find(|line| line.get(5..).is_some_and(|line| line.starts_with(&local)));
        // The fourth column is the state; 01 is ESTABLISHED.
        ours.is_none_or(|line| line.split_whitespace().nth(3) != Some("01")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_route_may_have_limits_of_its_own() {
    let orders = silent().await;
    let tables = "[[routes]]\npath = \"/quick\"\nupstream = \"orders\"\naccess = \"public\"\n\
                  timeouts = { first_byte = \"100ms\" }\n";
    let gateway = Setup { tables, ..Setup::of(&orders) }.start().await;
    let since = Instant::now();
    gateway.ask("GET /quick", &[]).await.expect(504, "gateway_timeout");
    assert!(since.elapsed() < Duration::from_secs(9), "sooner than the connection would have looked");

    let patient = Setup {
        timeouts: "first_byte = \"200ms\"",
        tables: &tables.replace("100ms", "10m"),
        ..Setup::of(&orders)
    };
    let gateway = patient.start().await;
    let mut waiting = gateway.client().await;
    waiting.send("GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    gateway.ask("GET /public", &[]).await.expect(504, "gateway_timeout");
    gateway.ask("GET /public", &[]).await.expect(504, "gateway_timeout");
    let answered = tokio::time::timeout(Duration::from_millis(100), waiting.head()).await;
    assert!(answered.is_err(), "the other route waits on");
}
