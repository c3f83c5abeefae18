//! How many connections there may be, and who gives way to whom.

use test_support::eventually;
use tokio::io::AsyncReadExt as _;

use crate::support::{Client, Gateway, Setup, Upstream};

#[tokio::test]
async fn whoever_has_no_request_gives_way() {
    let orders = Upstream::raw(|mut stream| async move {
        let mut asked = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut asked).await {
            if asked[..read].starts_with(b"GET /public/slow") {
                // It is never answered, and its client does not give way.
                std::future::pending::<()>().await;
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
        }
    })
    .await;
    let gateway = Setup { tables: "[limits]\nconnections = 2\n", ..Setup::of(&orders) }.start().await;
    let (mut resting, mut busy) = (gateway.client().await, gateway.client().await);
    assert_eq!(resting.ask("GET /public", &[]).await.status, 200);
    busy.send("GET /public/slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;

    let mut third = gateway.client().await;
    assert_eq!(third.ask("GET /public", &[]).await.status, 200);
    assert!(resting.is_closed().await);
    assert!(gateway.metrics().await.contains("gateway_connections 2\n"));
    let moment = std::time::Duration::from_millis(50);
    assert!(tokio::time::timeout(moment, busy.head()).await.is_err(), "it waits for its answer");
}

/// A client of this address, behind a balancer.
async fn from(gateway: &Gateway, address: &str) -> Client {
    let mut client = gateway.client().await;
    client.send(format!("PROXY TCP4 {address} 10.0.0.1 51234 443\r\n")).await;
    client
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_its_neighbour_others() {
    let orders = Upstream::telling().await;
    let top = "trusted_proxies = [\"127.0.0.1\"]\nproxy_protocol = true";
    let tables = "[limits]\nconnections_per_address = 1\n";
    let gateway = Setup { top, tables, ..Setup::of(&orders) }.start().await;
    let mut ann = from(&gateway, "192.0.2.1").await;
    assert_eq!(ann.ask("GET /public", &[]).await.status, 200);
    assert!(from(&gateway, "192.0.2.1").await.is_closed().await);
    assert_eq!(from(&gateway, "192.0.2.2").await.ask("GET /public", &[]).await.status, 200);
    assert_eq!(ann.ask("GET /public", &[]).await.status, 200);
    assert!(gateway.metrics().await.contains("gateway_connections_refused_total 1\n"));

    // The balancer's own, of which there may be any number.
    let mut own = Vec::new();
    for _ in 0..3 {
        let mut client = gateway.client().await;
        client.send("PROXY UNKNOWN\r\n").await;
        assert_eq!(client.ask("GET /public", &[]).await.status, 200);
        own.push(client);
    }

    drop(ann);
    eventually("the place is free again", async || {
        let mut again = from(&gateway, "192.0.2.1").await;
        again.try_send(b"GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        again.head().await.is_some_and(|(status, _)| status == 200).then_some(())
    })
    .await;
}
