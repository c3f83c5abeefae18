//! HTTP/2: hyper's client for what a good one does, and frames by hand for what none would.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use test_support::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Feed, Gateway, Issuer, Setup, Upstream, full};
use crate::tls::{Certificate, certificate, written};

/// A certificate for `localhost`, and the table that names it.
pub(crate) struct Door {
    pub(crate) certificate: Certificate,
    pub(crate) tables: String,
    _folder: tempfile::TempDir,
}

pub(crate) fn door() -> Door {
    let folder = tempfile::tempdir().unwrap();
    let certificate = certificate("localhost");
    let tables = format!("[tls]\ncertificates = [{}]\n", written(&certificate, folder.path(), "localhost"));
    Door { certificate, tables, _folder: folder }
}

pub(crate) async fn socket(gateway: &Gateway, door: &Door) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(door.certificate.cert.der().clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    stream
}

pub(crate) type Client = SendRequest<Full<Bytes>>;

pub(crate) async fn client(gateway: &Gateway, door: &Door) -> Client {
    let stream = TokioIo::new(socket(gateway, door).await);
    let (client, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) fn get(path: &str) -> http::request::Builder {
    Request::builder().uri(format!("https://localhost{path}"))
}

pub(crate) async fn ask(client: &mut Client, request: http::request::Builder) -> (StatusCode, Bytes) {
    let answer = client.send_request(request.body(Full::default()).unwrap()).await.unwrap();
    let status = answer.status();
    (status, answer.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn requests_share_a_connection_and_each_is_judged() {
    let (orders, issuer, door) = (Upstream::telling().await, Issuer::new().await, door());
    let gateway = Setup { tables: &door.tables, ..Setup::with(&orders, &issuer) }.start().await;
    let mut client = client(&gateway, &door).await;
    let token = format!("Bearer {}", issuer.token());
    let asked = get("/private?a=b").header("authorization", &token).header("x-user-role", "ADMIN");
    let asked = asked.header("cookie", "a=1").header("cookie", "refresh_token=x").header("cookie", "b=2");
    let answer = client.send_request(asked.body(Full::default()).unwrap()).await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
    assert!(answer.headers().contains_key("x-request-id"));
    let seen = orders.last();
    assert_eq!((seen.uri.to_string().as_str(), seen.values("x-user-id")), ("/private?a=b", vec!["u-ann"]));
    assert_eq!((seen.values("x-user-role"), seen.values("cookie")), (vec!["USER"], vec!["a=1; b=2"]));
    assert_eq!(
        (seen.values("x-forwarded-host"), seen.values("x-forwarded-proto")),
        (vec!["localhost"], vec!["https"])
    );
    assert_eq!(ask(&mut client, get("/private")).await.0, StatusCode::UNAUTHORIZED);
    let head = ask(&mut client, get("/private").method("HEAD")).await;
    assert_eq!(head, (StatusCode::UNAUTHORIZED, Bytes::new()), "no content, at which clients reset a stream");
    assert_eq!(
        ask(&mut client, get("/admin").header("authorization", &token)).await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(ask(&mut client, get("/public//x")).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(
        ask(&mut client, get("/public").header("host", "other.example")).await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(ask(&mut client, get("/public").method("TRACE")).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert!(gateway.metrics().await.contains("gateway_connections 1"), "streams are no connections");
}

#[tokio::test]
async fn bodies_pass_both_ways_and_within_limits() {
    let orders = Upstream::answering(|seen| async move { Response::new(full(seen.body)) }).await;
    let door = door();
    let gateway = Setup { tables: &door.tables, ..Setup::of(&orders) }.start().await;
    let mut client = client(&gateway, &door).await;
    let body = Bytes::from((0..3_000_000_u32).map(|at| at.to_le_bytes()[1]).collect::<Vec<_>>());
    let request = |path, body: &Bytes| get(path).method("POST").body(Full::new(body.clone())).unwrap();
    let (one, two) = tokio::join!(
        client.clone().send_request(request("/public", &body)),
        client.clone().send_request(request("/public", &body))
    );
    for answer in [one.unwrap(), two.unwrap()] {
        assert!(answer.into_body().collect().await.unwrap().to_bytes() == body);
    }
    let answer = client.send_request(request("/small", &body.slice(..11))).await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(ask(&mut client, get("/public").method("HEAD")).await, (StatusCode::OK, Bytes::new()));
}

/// `GET /public/slow` is never answered, `GET /public/large` without end.
async fn moody() -> Upstream {
    Upstream::serving(|request: Request<Incoming>| async move {
        match request.uri().path() {
            "/public/slow" => std::future::pending().await,
            "/public/large" | "/private" => {
                let piece = Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 16 << 10])));
                let endless = futures_util::stream::repeat_with(move || piece.clone_data());
                Response::new(StreamBody::new(endless).boxed())
            }
            _ => Response::new(full("quick")),
        }
    })
    .await
}

/// Frames are not `Clone`.
trait CloneData {
    fn clone_data(&self) -> Self;
}

impl CloneData for Result<Frame<Bytes>, Infallible> {
    fn clone_data(&self) -> Self {
        self.as_ref()
            .map(|frame| Frame::data(frame.data_ref().cloned().unwrap_or_default()))
            .map_err(|never| *never)
    }
}

#[tokio::test]
async fn a_slow_upstream_delays_its_own_stream_only() {
    let (orders, door) = (moody().await, door());
    let timeouts = "first_byte = \"300ms\"";
    let gateway = Setup { tables: &door.tables, timeouts, ..Setup::of(&orders) }.start().await;
    let client = client(&gateway, &door).await;
    let (mut slow, mut quick) = (client.clone(), client);
    let slow = tokio::spawn(async move { ask(&mut slow, get("/public/slow")).await });
    assert_eq!(ask(&mut quick, get("/public")).await.1, "quick");
    assert_eq!(slow.await.unwrap().0, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(ask(&mut quick, get("/public")).await.1, "quick");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_one_answer_loses_that_one() {
    let (orders, door) = (moody().await, door());
    let gateway =
        Setup { tables: &door.tables, timeouts: "idle = \"400ms\"", ..Setup::of(&orders) }.start().await;
    let mut client = client(&gateway, &door).await;
    let request = get("/public/large").body(Full::default()).unwrap();
    let mut stalled = client.send_request(request).await.unwrap().into_body();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        assert_eq!(ask(&mut client, get("/public")).await.1, "quick");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What had been sent is there; then the stream was reset.
    while let Some(frame) = stalled.frame().await {
        if frame.is_err() {
            return;
        }
    }
    panic!("the answer has no end");
}

#[tokio::test]
async fn a_client_that_takes_one_byte_of_each_answer_keeps_none() {
    let (orders, door) = (moody().await, door());
    let gateway =
        Setup { tables: &door.tables, timeouts: "idle = \"400ms\"", ..Setup::of(&orders) }.start().await;
    let mut raw = Raw::connect(&gateway, &door).await;
    let one_byte = [0, 4, 0, 0, 0, 1];
    raw.send(SETTINGS, 0, 0, &one_byte).await;
    // Whole for the upstream, and never for the client, which goes on with others meanwhile.
    for stream in (1..31).step_by(2) {
        raw.send(HEADERS, END_HEADERS | END_STREAM, stream, HEAD).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (_, first, _) = raw.next(&[RESET, GOAWAY]).await.expect("a reset before the end");
    assert_eq!(first, 1);
}

fn in_seconds(seconds: u64) -> serde_json::Value {
    json!({ "exp": SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds })
}

/// Reads an answer until it breaks off.
async fn until_broken(client: &mut Client, token: &str) {
    let request = get("/private").header("authorization", format!("Bearer {token}"));
    let mut body = client.send_request(request.body(Full::default()).unwrap()).await.unwrap().into_body();
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            return;
        }
    }
    panic!("the answer ended well");
}

#[tokio::test]
async fn an_answer_breaks_off_with_its_token_and_the_connection_stays() {
    let (orders, issuer, feed, door) = (moody().await, Issuer::new().await, Feed::empty().await, door());
    let setting = feed.setting();
    let setup = Setup { tables: &door.tables, tokens: &setting, ..Setup::with(&orders, &issuer) };
    let gateway = setup.start().await;
    feed.until_subscribed(1).await;
    let mut client = client(&gateway, &door).await;
    let token = issuer.token_with("k1", in_seconds(2));
    let broken = tokio::time::timeout(Duration::from_secs(8), until_broken(&mut client, &token)).await;
    broken.expect("before the stream's next look");
    assert_eq!(ask(&mut client, get("/public")).await.1, "quick");
    let (mut other, token) = (client.clone(), issuer.token());
    let flowing = tokio::spawn(async move { until_broken(&mut other, &token).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    feed.revoke("\"kind\":\"session\",\"sid\":\"s-1\"");
    flowing.await.unwrap();
    assert_eq!(ask(&mut client, get("/public")).await.1, "quick");
}

#[tokio::test]
async fn stopping_says_goaway_and_finishes_what_is_in_flight() {
    let (go, door) = (Arc::new(tokio::sync::Notify::new()), door());
    let going = Arc::clone(&go);
    let orders = Upstream::answering(move |_| {
        let going = Arc::clone(&going);
        async move {
            going.notified().await;
            Response::new(full("at last"))
        }
    })
    .await;
    let mut gateway = Setup { tables: &door.tables, ..Setup::of(&orders) }.start().await;
    let mut client = client(&gateway, &door).await;
    let mut asking = client.clone();
    let in_flight = tokio::spawn(async move { ask(&mut asking, get("/public")).await });
    eventually("the request is in flight", async || (orders.seen().len() == 1).then_some(())).await;
    gateway.begin_stop();
    let refused = get("/public").body(Full::default()).unwrap();
    eventually("no further stream is taken", async || {
        let sent = client.send_request(refused.clone());
        tokio::time::timeout(Duration::from_millis(50), sent)
            .await
            .is_ok_and(|answer| answer.is_err())
            .then_some(())
    })
    .await;
    go.notify_waiters();
    assert_eq!(in_flight.await.unwrap().1, "at last");
    gateway.stopped().await;
}

/// Frames by hand (RFC 9113 section 4.1).
struct Raw(TlsStream<TcpStream>);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `GET https://localhost/public`, by the static table, without indexing.
const HEAD: &[u8] = b"\x82\x87\x01\x09localhost\x04\x07/public";

fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

impl Raw {
    async fn connect(gateway: &Gateway, door: &Door) -> Self {
        let mut raw = Self(socket(gateway, door).await);
        raw.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        raw.send(SETTINGS, 0, 0, b"").await;
        raw
    }

    /// Whether it could be sent.
    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        self.0.write_all(&frame).await.is_ok()
    }

    /// The next frame of a kind, with its stream and payload; `None` at the connection's end.
    async fn next(&mut self, kinds: &[u8]) -> Option<(u8, u32, Vec<u8>)> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut payload).await.ok()?;
            if kinds.contains(&head[3]) {
                return Some((head[3], u32::from_be_bytes(head[5..].try_into().unwrap()), payload));
            }
        }
    }

    /// The error code of the GOAWAY with which the connection ends.
    async fn goaway(&mut self) -> u32 {
        let (_, _, payload) = self.next(&[GOAWAY]).await.expect("a GOAWAY before the end");
        u32::from_be_bytes(payload[4..8].try_into().unwrap())
    }

    /// The error code with which a stream is reset.
    async fn reset(&mut self) -> u32 {
        let (_, _, payload) = self.next(&[RESET]).await.expect("a reset before the end");
        u32::from_be_bytes(payload.try_into().unwrap())
    }
}

const PROTOCOL_ERROR: u32 = 1;
const ENHANCE_YOUR_CALM: u32 = 11;

#[tokio::test]
async fn floods_end_the_connection() {
    let (orders, door) = (moody().await, door());
    let gateway = Setup { tables: &door.tables, ..Setup::of(&orders) }.start().await;

    let mut rapid = Raw::connect(&gateway, &door).await;
    let cancel = 8_u32.to_be_bytes();
    let mut burst = Vec::new();
    for stream in (1..2001_u32).step_by(2) {
        burst.extend(
            [
                &[0, 0, u8::try_from(HEAD.len()).unwrap(), HEADERS, END_HEADERS | END_STREAM],
                stream.to_be_bytes().as_slice(),
                HEAD,
            ]
            .concat(),
        );
        burst.extend([&[0, 0, 4, RESET, 0], stream.to_be_bytes().as_slice(), &cancel].concat());
    }
    // It may be closed before it has everything.
    let _ = rapid.0.write_all(&burst).await;
    assert_eq!(rapid.goaway().await, ENHANCE_YOUR_CALM);

    let mut endless = Raw::connect(&gateway, &door).await;
    endless.send(HEADERS, END_STREAM, 1, HEAD).await;
    for _ in 0..2000 {
        if !endless.send(CONTINUATION, 0, 1, &field("x-a", "b")).await {
            break;
        }
    }
    assert_eq!(endless.goaway().await, ENHANCE_YOUR_CALM);
    assert_eq!(orders.connections(), 0, "nothing of it went anywhere");
}

#[tokio::test]
async fn what_has_no_place_in_http2_is_refused() {
    let (orders, door) = (Upstream::telling().await, door());
    let gateway = Setup { tables: &door.tables, ..Setup::of(&orders) }.start().await;
    let mut raw = Raw::connect(&gateway, &door).await;
    let mut stream = 1;
    for (name, value) in [
        ("connection", "x-user-id"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("keep-alive", "1"),
        ("te", "gzip"),
    ] {
        raw.send(HEADERS, END_HEADERS | END_STREAM, stream, &[HEAD, &field(name, value)].concat()).await;
        assert_eq!(raw.reset().await, PROTOCOL_ERROR, "{name}");
        stream += 2;
    }
    // A body that is shorter than it says.
    raw.send(HEADERS, END_HEADERS, stream, &[HEAD, &field("content-length", "5")].concat()).await;
    raw.send(DATA, END_STREAM, stream, b"abc").await;
    assert_eq!(raw.reset().await, PROTOCOL_ERROR);
    // The connection still serves; the answer's head begins with the status, 405 for CONNECT.
    let connect = [b"\x02\x07CONNECT\x01\x09localhost".as_slice()].concat();
    raw.send(HEADERS, END_HEADERS | END_STREAM, stream + 2, &connect).await;
    let (kind, answered, _) = raw.next(&[HEADERS, RESET]).await.unwrap();
    assert_eq!((kind, answered), (HEADERS, stream + 2));
    // A capital letter is an error of the whole connection.
    raw.send(HEADERS, END_HEADERS | END_STREAM, stream + 4, &[HEAD, &field("X-Upper", "a")].concat()).await;
    assert!(raw.next(&[HEADERS]).await.is_none());
    assert!(orders.seen().is_empty());
}

#[tokio::test]
async fn a_head_that_is_too_large_goes_no_further() {
    let (orders, door) = (Upstream::telling().await, door());
    let gateway = Setup { tables: &door.tables, ..Setup::of(&orders) }.start().await;
    let mut client = client(&gateway, &door).await;
    let large = get("/public").header("x-large", "x".repeat(40 << 10)).body(Full::default()).unwrap();
    let refused = client.send_request(large).await;
    assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status() == 431));
    assert!(orders.seen().is_empty());
}

#[tokio::test]
async fn a_connection_without_requests_ends_whatever_else_it_sends() {
    let (orders, door) = (Upstream::telling().await, door());
    let timeouts = "head = \"300ms\"\nidle = \"900ms\"";
    let gateway = Setup { tables: &door.tables, timeouts, ..Setup::of(&orders) }.start().await;
    let mut nothing = Raw::connect(&gateway, &door).await;
    assert!(nothing.next(&[]).await.is_none(), "no request within the time for a head");
    let mut pinging = Raw::connect(&gateway, &door).await;
    pinging.send(HEADERS, END_HEADERS | END_STREAM, 1, HEAD).await;
    pinging.next(&[HEADERS]).await.expect("an answer");
    let begun = Instant::now();
    while pinging.send(PING, 0, 0, &[0; 8]).await {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "pings keep nobody");
    }
    assert!(begun.elapsed() >= Duration::from_millis(600), "for as long as an idle connection may last");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_408_and_a_preface_in_clear_is_no_request() {
    let (orders, door) = (Upstream::telling().await, door());
    let setup = Setup { tables: &door.tables, timeouts: "idle = \"300ms\"", ..Setup::of(&orders) };
    let gateway = setup.start().await;
    let (mut sends, body) = mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    let body =
        futures_util::stream::unfold(body, async |mut body| body.recv().await.map(|frame| (frame, body)));
    let stream = TokioIo::new(socket(&gateway, &door).await);
    let (mut client, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = get("/public").method("POST").body(StreamBody::new(Box::pin(body))).unwrap();
    let answer = tokio::spawn(client.send_request(request));
    sends.send(Ok(Frame::data(Bytes::from_static(b"begun")))).await.unwrap();
    assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::REQUEST_TIMEOUT);
    sends = mpsc::channel(1).0;
    drop(sends);

    let plain = Setup::of(&orders).start().await;
    let mut raw = plain.client().await;
    raw.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let refused = raw.head().await;
    assert!(refused.is_none_or(|(status, _)| status == 400));
    assert!(orders.seen().is_empty());
}
