//! Websockets: another party's client and server on both ends, and bytes by hand where no library would send them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue};
use rustls::pki_types::ServerName;
use serde_json::json;
use test_support::eventually;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{Client, Feed, Gateway, GatewayProcess, Issuer, Setup, Upstream};
use crate::tls::{certificate, client_config, written};

const ROUTES: &str = "[cors]\norigins = [\"https://app.example\"]\n\
    [[routes]]\npath = \"/socket\"\nupstream = \"orders\"\naccess = \"authenticated\"\nwebsocket = true\n\
    [[routes]]\npath = \"/open\"\nupstream = \"orders\"\naccess = \"public\"\nwebsocket = true\n";
/// RFC 6455's example.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

type Socket<S = TcpStream> = WebSocketStream<S>;

fn asking(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// A server that sends every message back, and tells the headers of each handshake.
async fn echo() -> (Upstream, mpsc::UnboundedReceiver<HeaderMap>) {
    let (tell, told) = mpsc::unbounded_channel();
    let upstream = Upstream::raw(move |stream| {
        let tell = tell.clone();
        async move {
            let callback = |request: &Request, answer: Response| {
                tell.send(request.headers().clone()).unwrap();
                Ok(answer)
            };
            let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, callback).await else { return };
            while let Some(Ok(message)) = socket.next().await {
                if !message.is_close() && socket.send(message).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (upstream, told)
}

/// A handshake by the library; the answer's headers come along.
async fn open(
    gateway: &Gateway,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<(Socket, HeaderMap), Error> {
    let mut request = format!("ws://localhost{path}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
    }
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (socket, answer) = tokio_tungstenite::client_async(request, stream).await?;
    Ok((socket, answer.headers().clone()))
}

async fn with_token(gateway: &Gateway, token: &str) -> Socket {
    open(gateway, "/socket", &[("authorization", &format!("Bearer {token}"))]).await.unwrap().0
}

/// The status of the answer to a handshake that does not succeed.
async fn refused(gateway: &Gateway, path: &str, headers: &[(&'static str, &str)]) -> u16 {
    match open(gateway, path, headers).await {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("no answer but {other:?}"),
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut Socket<S>,
    message: impl Into<Message>,
) -> Message {
    socket.send(message.into()).await.unwrap();
    socket.next().await.expect("an answer").unwrap()
}

/// The status and reason with which the other side ends.
async fn goodbye<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut Socket<S>) -> (u16, String) {
    loop {
        match socket.next().await.expect("a goodbye before the end").unwrap() {
            Message::Close(Some(frame)) => return (frame.code.into(), frame.reason.to_string()),
            other => assert!(!other.is_close(), "{other:?}"),
        }
    }
}

fn in_seconds(seconds: u64) -> serde_json::Value {
    json!({ "exp": SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds })
}

#[tokio::test]
async fn messages_pass_both_ways_and_the_upstream_knows_who_speaks() {
    let ((orders, mut told), issuer) = (echo().await, Issuer::new().await);
    let gateway = Setup { tables: ROUTES, ..Setup::with(&orders, &issuer) }.start().await;
    let mut socket = with_token(&gateway, &issuer.token()).await;
    let seen = told.recv().await.unwrap();
    assert_eq!(seen["x-user-id"], "u-ann");
    assert!(seen.contains_key("signature") && !seen.contains_key("authorization"));
    assert_eq!(say(&mut socket, "hello").await, Message::text("hello"));
    let large = vec![7_u8; 3 << 20];
    assert_eq!(say(&mut socket, large.clone()).await, Message::binary(large));
    assert!(gateway.metrics().await.contains("gateway_websockets{upstream=\"orders\"} 1"));
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    eventually("the websocket is counted", async || {
        let page = gateway.metrics().await;
        let bytes = |direction| {
            format!("gateway_websocket_bytes_total{{upstream=\"orders\",direction=\"{direction}\"}} 31")
        };
        let done = page.contains("gateway_websockets{upstream=\"orders\"} 0")
            && page.contains("gateway_requests_total{upstream=\"orders\",status=\"1xx\"} 1");
        done.then(|| assert!(page.contains(&bytes("sent")) && page.contains(&bytes("received")), "{page}"))
    })
    .await;
    with_token(&gateway, &issuer.token()).await;
    assert_eq!(orders.connections(), 2, "an upgraded connection serves nobody else");
}

#[tokio::test]
async fn a_websocket_outlives_a_reload_that_takes_its_route_away_and_still_ends_with_its_token() {
    let ((orders, _told), issuer) = (echo().await, Issuer::new().await);
    let gateway = GatewayProcess::start(&Setup { tables: ROUTES, ..Setup::with(&orders, &issuer) }).await;
    gateway.ready().await;
    let handshake = || {
        let mut request = "ws://localhost/socket".into_client_request().unwrap();
        let token = format!("Bearer {}", issuer.token_with("k1", in_seconds(3)));
        request.headers_mut().append("authorization", HeaderValue::try_from(token).unwrap());
        request
    };
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let mut socket = tokio_tungstenite::client_async(handshake(), stream).await.unwrap().0;
    assert_eq!(say(&mut socket, "before").await, Message::text("before"));
    // Another [tokens] too: what was known of tokens is known no more.
    gateway.reload(&Setup { tokens: "jwks_refresh = \"7m\"", ..Setup::with(&orders, &issuer) }).await;
    assert_eq!(say(&mut socket, "after").await, Message::text("after"));
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    match tokio_tungstenite::client_async(handshake(), stream).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 404),
        other => panic!("{other:?}"),
    }
    assert_eq!(goodbye(&mut socket).await, (1008, "token_expired".to_owned()));
}

#[tokio::test]
async fn a_browser_sends_its_token_as_a_subprotocol() {
    let ((orders, mut told), issuer) = (echo().await, Issuer::new().await);
    let gateway = Setup { tables: ROUTES, ..Setup::with(&orders, &issuer) }.start().await;
    let token = issuer.token();
    let offer = format!("portcullis, portcullis.bearer.{token}");
    let offer = ("sec-websocket-protocol", offer.as_str());
    let (mut socket, answer) =
        open(&gateway, "/socket", &[offer, ("origin", "https://app.example")]).await.unwrap();
    assert_eq!(answer["sec-websocket-protocol"], "portcullis");
    let seen = told.recv().await.unwrap();
    assert_eq!(
        (&seen["x-user-id"], &seen["sec-websocket-protocol"]),
        (&"u-ann".parse().unwrap(), &"portcullis".parse().unwrap())
    );
    assert!(!format!("{seen:?}").contains(&token));
    assert_eq!(say(&mut socket, "hello").await, Message::text("hello"));

    let (_, answer) = open(&gateway, "/socket", &[offer, ("origin", "http://localhost")]).await.unwrap();
    assert_eq!(answer["sec-websocket-protocol"], "portcullis");
    assert_eq!(refused(&gateway, "/socket", &[offer, ("origin", "https://evil.example")]).await, 403);
    assert_eq!(
        refused(&gateway, "/socket", &[offer, ("authorization", &format!("Bearer {token}"))]).await,
        400
    );
    let forged = ("sec-websocket-protocol", "portcullis, portcullis.bearer.a.b.c");
    assert_eq!(refused(&gateway, "/socket", &[forged]).await, 401);
    assert_eq!(refused(&gateway, "/socket", &[]).await, 401);
}

#[tokio::test]
async fn a_token_reaches_no_upstream_on_any_route() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let gateway = Setup { tables: ROUTES, ..Setup::with(&orders, &issuer) }.start().await;
    for path in ["/public", "/open"] {
        let answer = gateway
            .client()
            .await
            .ask(&format!("GET {path}"), &["Sec-WebSocket-Protocol: portcullis.bearer.secret"])
            .await;
        assert_eq!(answer.status, 200);
        assert!(!format!("{:?}", orders.last().headers).contains("secret"));
    }
}

#[tokio::test]
async fn a_route_that_allows_none_is_answered_as_without_the_wish() {
    let orders = Upstream::telling().await;
    let gateway = Setup { tables: ROUTES, ..Setup::of(&orders) }.start().await;
    let mut client = gateway.client().await;
    client.send(asking("/public", "")).await;
    assert_eq!(client.answer(false).await.body, b"seen");
    assert!(
        orders.last().values("upgrade").is_empty() && orders.last().values("sec-websocket-key").is_empty()
    );
    client.send(asking("/open", "Upgrade: h2c\r\n")).await;
    client.answer(false).await.expect(400, "bad_request");
}

/// An upstream that tells what it reads, and sends what it is told.
async fn by_hand() -> (Upstream, mpsc::UnboundedReceiver<Vec<u8>>, mpsc::UnboundedSender<String>) {
    let (tell, told) = mpsc::unbounded_channel();
    let (send, sends) = mpsc::unbounded_channel::<String>();
    let sends = std::sync::Arc::new(tokio::sync::Mutex::new(sends));
    let upstream = Upstream::raw(move |stream| {
        let (tell, sends) = (tell.clone(), std::sync::Arc::clone(&sends));
        async move {
            let (mut from, mut to) = stream.into_split();
            let reading = tokio::spawn(async move {
                let mut piece = [0; 4096];
                while let Ok(read @ 1..) = from.read(&mut piece).await {
                    // The test may have seen enough.
                    let _ = tell.send(piece[..read].to_vec());
                }
            });
            let mut sends = sends.lock().await;
            while let Some(bytes) = sends.recv().await {
                to.write_all(bytes.as_bytes()).await.unwrap();
            }
            reading.abort();
        }
    })
    .await;
    (upstream, told, send)
}

fn switching(more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {ACCEPT}\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn nothing_goes_upstream_before_the_upstream_has_switched() {
    let (orders, mut told, send) = by_hand().await;
    let gateway = Setup { tables: ROUTES, ..Setup::of(&orders) }.start().await;
    let mut client = gateway.client().await;
    client.send(asking("/open", "") + "GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let head = String::from_utf8(told.recv().await.unwrap()).unwrap();
    assert!(head.starts_with("GET /open ") && head.ends_with("\r\n\r\n"), "{head}");
    client.send("more").await;
    assert!(tokio::time::timeout(Duration::from_millis(200), told.recv()).await.is_err());
    send.send(switching("Content-Length: 5\r\n") + "early").unwrap();
    let (status, headers) = client.head().await.unwrap();
    assert_eq!(status, 101);
    assert!(!headers.iter().any(|(name, _)| name == "content-length"));
    assert_eq!(client.take(5).await, b"early");
    let mut got = Vec::new();
    while !got.ends_with(b"more") {
        got.extend(told.recv().await.unwrap());
    }
    assert!(got.starts_with(b"GET /admin"), "only as bytes of the websocket that it is now");
}

#[tokio::test]
async fn an_upstream_that_does_not_switch_answers_and_the_next_request_is_judged_by_us() {
    let (orders, mut told, send) = by_hand().await;
    let gateway = Setup { tables: ROUTES, ..Setup::of(&orders) }.start().await;
    let mut client = gateway.client().await;
    client.send(asking("/open", "") + "GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    told.recv().await.unwrap();
    send.send(
        "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 12\r\nContent-Length: 2\r\n\r\nno".into(),
    )
    .unwrap();
    let answer = client.answer(false).await;
    assert_eq!((answer.status, answer.body.as_slice()), (426, b"no".as_slice()));
    client.answer(false).await.expect(401, "unauthenticated");
    assert!(told.try_recv().is_err(), "the upstream never saw the second");
}

#[tokio::test]
async fn a_false_101_is_no_websocket() {
    for lie in [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_owned(),
        switching("Sec-WebSocket-Protocol: other\r\n"),
        switching("Sec-WebSocket-Extensions: permessage-deflate\r\n"),
        switching("").replace("Upgrade: websocket", "Upgrade: h2c"),
    ] {
        let (orders, mut told, send) = by_hand().await;
        let gateway = Setup { tables: ROUTES, ..Setup::of(&orders) }.start().await;
        let mut client = gateway.client().await;
        client.send(asking("/open", "") + "smuggled").await;
        told.recv().await.unwrap();
        send.send(lie).unwrap();
        client.answer(false).await.expect(502, "bad_gateway");
        assert!(told.try_recv().is_err(), "nothing more went there");
    }
}

#[tokio::test]
async fn a_websocket_ends_when_its_token_expires() {
    let ((orders, _told), issuer) = (echo().await, Issuer::new().await);
    let gateway = Setup { tables: ROUTES, ..Setup::with(&orders, &issuer) }.start().await;
    let mut socket = with_token(&gateway, &issuer.token_with("k1", in_seconds(2))).await;
    assert_eq!(say(&mut socket, "hello").await, Message::text("hello"));
    let goodbye = tokio::time::timeout(Duration::from_secs(8), goodbye(&mut socket)).await;
    assert_eq!(goodbye.expect("before the connection's next look"), (1008, "token_expired".to_owned()));
}

#[tokio::test]
async fn over_tls_it_is_the_same() {
    let ((orders, _told), issuer) = (echo().await, Issuer::new().await);
    let (folder, certificate) = (tempfile::tempdir().unwrap(), certificate("localhost"));
    let certificates = written(&certificate, folder.path(), "localhost");
    let tables = format!("[tls]\ncertificates = [{certificates}]\n{ROUTES}");
    let gateway = Setup { tables: &tables, ..Setup::with(&orders, &issuer) }.start().await;
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(client_config(&certificate)).connect(name, stream).await.unwrap();
    let mut request = "ws://localhost/socket".into_client_request().unwrap();
    let token = format!("Bearer {}", issuer.token_with("k1", in_seconds(3)));
    request.headers_mut().insert("authorization", token.parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    for size in [5, 100_000, 3 << 20] {
        let message = vec![9_u8; size];
        assert_eq!(say(&mut socket, message.clone()).await, Message::binary(message));
    }
    assert_eq!(goodbye(&mut socket).await, (1008, "token_expired".to_owned()));
    assert!(socket.next().await.is_none(), "and then the end, in TLS's own words");
}

#[tokio::test]
async fn a_websocket_ends_when_its_token_is_revoked() {
    let ((orders, _told), issuer, feed) = (echo().await, Issuer::new().await, Feed::empty().await);
    let setting = feed.setting();
    let setup = Setup { tables: ROUTES, tokens: &setting, ..Setup::with(&orders, &issuer) };
    let gateway = setup.start().await;
    feed.until_subscribed(1).await;
    let mut socket = with_token(&gateway, &issuer.token()).await;
    assert_eq!(say(&mut socket, "hello").await, Message::text("hello"));
    feed.revoke("\"kind\":\"session\",\"sid\":\"s-1\"");
    assert_eq!(goodbye(&mut socket).await, (1008, "token_revoked".to_owned()));
    assert!(socket.next().await.is_none());
}

#[tokio::test]
async fn in_the_middle_of_a_frame_there_is_no_goodbye_but_the_end() {
    let ((orders, mut told, send), issuer) = (by_hand().await, Issuer::new().await);
    let gateway = Setup { tables: ROUTES, ..Setup::with(&orders, &issuer) }.start().await;
    let mut client = gateway.client().await;
    let token = issuer.token_with("k1", in_seconds(2));
    client.send(asking("/socket", &format!("Authorization: Bearer {token}\r\n"))).await;
    told.recv().await.unwrap();
    send.send(switching("") + "\u{2}\u{5}abc").unwrap();
    assert_eq!(client.head().await.unwrap().0, 101);
    assert_eq!(client.take(5).await, b"\x02\x05abc");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_silent_websocket_ends_and_one_that_pings_lives() {
    let (orders, _told) = echo().await;
    let setup = Setup { tables: ROUTES, timeouts: "idle = \"600ms\"", ..Setup::of(&orders) };
    let gateway = setup.start().await;
    let (mut socket, _) = open(&gateway, "/open", &[]).await.unwrap();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert_eq!(say(&mut socket, "still here").await, Message::text("still here"));
    }
    assert_eq!(goodbye(&mut socket).await, (1001, "idle".to_owned()));
}

#[tokio::test]
async fn stopping_leaves_websockets_the_time_to_drain_and_then_says_goodbye() {
    let (orders, _told) = echo().await;
    let mut gateway =
        Setup { tables: ROUTES, timeouts: "drain = \"2s\"", ..Setup::of(&orders) }.start().await;
    let (mut socket, _) = open(&gateway, "/open", &[]).await.unwrap();
    gateway.begin_stop();
    let address = gateway.address;
    eventually("nobody new is let in", async || TcpStream::connect(address).await.is_err().then_some(()))
        .await;
    assert_eq!(say(&mut socket, "still here").await, Message::text("still here"));
    assert_eq!(goodbye(&mut socket).await, (1001, "going_away".to_owned()));
    assert!(socket.next().await.is_none());
    gateway.stopped().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_let_go() {
    let orders = Upstream::raw(|mut stream| async move {
        let mut asked = vec![0; 4096];
        let _ = stream.read(&mut asked).await;
        let _ = stream.write_all(switching("").as_bytes()).await;
        while stream.write_all(&[0; 64 << 10]).await.is_ok() {}
    })
    .await;
    let gateway = Setup { tables: ROUTES, timeouts: "idle = \"300ms\"", ..Setup::of(&orders) }.start().await;
    let mut client: Client = gateway.client().await;
    client.send(asking("/open", "")).await;
    assert_eq!(client.head().await.unwrap().0, 101);
    eventually("it is over", async || {
        gateway.metrics().await.contains("gateway_websockets{upstream=\"orders\"} 0").then_some(())
    })
    .await;
}
