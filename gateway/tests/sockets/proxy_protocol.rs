//! The PROXY protocol: a trusted proxy's word on who is behind it, and nobody else's.

use crate::support::{Gateway, Setup, Upstream};

const BELIEVED: &str = "trusted_proxies = [\"127.0.0.1\"]\nproxy_protocol = true";
const REQUEST: &[u8] = b"GET /public HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.66\r\n\r\n";

async fn behind(top: &str) -> (Upstream, Gateway) {
    let orders = Upstream::telling().await;
    let setup = Setup { top, timeouts: "head = \"300ms\"", ..Setup::of(&orders) };
    let gateway = setup.start().await;
    (orders, gateway)
}

#[tokio::test]
async fn the_client_is_who_the_proxy_says() {
    let (orders, gateway) = behind(BELIEVED).await;
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x08\x0a\0\0\x01\x01\x02\x03\x04";
    // LOCAL: the proxy itself, whose HTTP headers are believed too.
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for (header, client) in [
        (b"PROXY TCP4 203.0.113.7 10.0.0.1 51234 443\r\n".as_slice(), "203.0.113.7"),
        (binary, "203.0.113.8"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 51234 443\r\n", "2001:db8::7"),
        (local, "192.0.2.66"),
    ] {
        let mut connection = gateway.client().await;
        connection.send([header, REQUEST].concat()).await;
        assert_eq!(connection.answer(false).await.status, 200);
        assert_eq!(orders.last().values("x-forwarded-for"), [client]);
        // Once a connection, not once a request.
        connection.send(REQUEST).await;
        assert_eq!(connection.answer(false).await.status, 200);
        assert_eq!(orders.last().values("x-forwarded-for"), [client]);
    }
}

#[tokio::test]
async fn a_connection_without_a_header_is_closed() {
    let (orders, gateway) = behind(BELIEVED).await;
    for bytes in
        [REQUEST, b"PROXY TCP4 localhost 10.0.0.1 1 2\r\nGET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 203.0", b""]
    {
        let mut client = gateway.client().await;
        client.send(bytes).await;
        assert!(client.is_closed().await);
    }
    assert!(orders.seen().is_empty());
}

#[tokio::test]
async fn a_strangers_header_is_not_read_and_by_default_nobodys_is() {
    let (orders, gateway) = behind("trusted_proxies = [\"10.0.0.1\"]\nproxy_protocol = true").await;
    let header = b"PROXY TCP4 203.0.113.7 10.0.0.1 51234 443\r\n";
    let mut client = gateway.client().await;
    client.try_send(&[header, REQUEST].concat()).await;
    assert!(client.is_closed().await);
    let (others, gateway) = behind("trusted_proxies = [\"127.0.0.1\"]").await;
    let mut client = gateway.client().await;
    client.send([header.as_slice(), REQUEST].concat()).await;
    assert!(client.head().await.is_none_or(|(status, _)| status == 400));
    assert!(orders.seen().is_empty() && others.seen().is_empty());
}
