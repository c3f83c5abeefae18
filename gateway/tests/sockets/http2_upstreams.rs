//! Upstreams in HTTP/2 that do as they should: hyper's server, asked by many at once.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use test_support::eventually;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio::sync::{Barrier, mpsc};
use tokio_rustls::TlsAcceptor;

use crate::http2::{Client, ask, client, door, get, socket};
use crate::support::{Gateway, Issuer, Setup, Upstream, full};
use crate::tls::{Certificate, certificate, written};

pub(crate) type Answer = Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>;

pub(crate) async fn serve<F, A>(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    streams: u32,
    answer: F,
) where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    // The gateway may close whenever it likes.
    let _ = builder.max_concurrent_streams(streams).serve_connection(TokioIo::new(io), service).await;
}

/// A server in clear.
pub(crate) async fn server<F, A>(streams: u32, answer: F) -> Upstream
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    Upstream::raw(move |stream| serve(stream, streams, answer.clone())).await
}

/// One client connection, and so one core, before these servers.
pub(crate) async fn through(orders: &Upstream, timeouts: &str) -> (Gateway, Client) {
    let door = door();
    let tables = format!("http2 = true\n{}", door.tables);
    let gateway = Setup { tables: &tables, timeouts, ..Setup::of(orders) }.start().await;
    let client = client(&gateway, &door).await;
    (gateway, client)
}

async fn all(client: &Client, count: usize) -> Vec<StatusCode> {
    let asking = (0..count).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { ask(&mut client, get("/public")).await.0 })
    });
    let mut statuses = Vec::new();
    for answer in asking.collect::<Vec<_>>() {
        statuses.push(answer.await.unwrap());
    }
    statuses
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let together = Arc::new(Barrier::new(50));
    let orders = server(200, move |_| {
        let together = Arc::clone(&together);
        async move {
            together.wait().await;
            Response::new(full("met"))
        }
    })
    .await;
    let (gateway, client) = through(&orders, "").await;
    assert_eq!(all(&client, 50).await, [StatusCode::OK; 50]);
    assert_eq!(orders.connections(), 1);
    let idle = "gateway_upstream_idle_connections{upstream=\"orders\"} 1";
    eventually("it is counted", async || gateway.metrics().await.contains(idle).then_some(())).await;
}

#[tokio::test]
async fn a_server_that_allows_few_streams_gets_further_connections() {
    let (together, first) = (Arc::new(Barrier::new(6)), Arc::new(std::sync::Once::new()));
    let orders = server(2, move |_| {
        let (together, mut is_first) = (Arc::clone(&together), false);
        first.call_once(|| is_first = true);
        async move {
            if !is_first {
                together.wait().await;
            }
            Response::new(full("met"))
        }
    })
    .await;
    let (_gateway, client) = through(&orders, "").await;
    assert_eq!(all(&client, 1).await, [StatusCode::OK], "by now its limit is known");
    assert_eq!(all(&client, 6).await, [StatusCode::OK; 6]);
    assert!((3..=6).contains(&orders.connections()), "{}", orders.connections());
}

/// Answers with data and trailers, some of which a head might have been forged by.
fn with_trailers() -> Answer {
    let mut trailers = HeaderMap::new();
    for (name, value) in [
        ("grpc-status", "5"),
        ("x-note", "kept"),
        ("x-user-id", "u-evil"),
        ("x-request-id", "r-evil"),
        ("set-cookie", "refresh_token=evil"),
        ("access-control-allow-origin", "*"),
        ("content-length", "7"),
        ("strict-transport-security", "max-age=0"),
    ] {
        trailers.insert(name, value.parse().unwrap());
    }
    let frames = [Frame::data(Bytes::from_static(b"data")), Frame::trailers(trailers)];
    Response::new(StreamBody::new(futures_util::stream::iter(frames.map(Ok))).boxed())
}

#[tokio::test]
async fn trailers_pass_cleaned_to_clients_that_take_them() {
    let (sees, mut seen) = mpsc::unbounded_channel();
    let orders = server(100, move |request: Request<Incoming>| {
        let sees = sees.clone();
        async move {
            let (head, body) = request.into_parts();
            let trailers = body.collect().await.unwrap().trailers().cloned();
            sees.send((head, trailers)).unwrap();
            with_trailers()
        }
    })
    .await;
    let (_gateway, mut client) = through(&orders, "").await;
    let request = get("/public?a=b").header("te", "trailers").body(Full::default()).unwrap();
    let answer = client.send_request(request).await.unwrap().into_body().collect().await.unwrap();
    let mut names: Vec<_> = answer.trailers().unwrap().keys().map(|name| name.as_str().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["grpc-status", "x-note"]);
    assert_eq!(answer.to_bytes(), "data");
    let (head, _) = seen.recv().await.unwrap();
    assert_eq!(head.uri.to_string(), format!("http://{}/public?a=b", orders.address));
    assert_eq!((head.version, head.headers["te"].as_bytes()), (Version::HTTP_2, b"trailers".as_slice()));
    assert!(!head.headers.contains_key("host") && head.headers.contains_key("signature"));

    let request = get("/public").body(Full::default()).unwrap();
    let answer = client.send_request(request).await.unwrap().into_body().collect().await.unwrap();
    assert!(answer.trailers().is_none());
    assert_eq!(answer.to_bytes(), "data");
    let (head, _) = seen.recv().await.unwrap();
    assert!(!head.headers.contains_key("te"), "nobody asked");

    let plain = gateway_in_clear(&orders).await;
    let mut raw = plain.client().await;
    raw.send(
        "POST /public HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\nConnection: TE\r\nTrailer: x-user-id\r\n\
         Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-user-id: u-evil\r\n\r\n",
    )
    .await;
    let answer = raw.head().await.unwrap();
    assert!(answer.0 == 200 && !answer.1.iter().any(|(name, _)| name == "trailer"));
    assert_eq!((raw.chunk().await.unwrap(), raw.chunk().await), (b"data".to_vec(), None));
    let (head, trailers) = seen.recv().await.unwrap();
    assert!(!head.headers.contains_key("te") && trailers.is_none(), "a request's never pass");
    assert_eq!(raw.ask("GET /public", &[]).await.body, b"data", "nothing stood after the last chunk");
}

pub(crate) async fn gateway_in_clear(orders: &Upstream) -> Gateway {
    Setup { tables: "http2 = true", ..Setup::of(orders) }.start().await
}

#[tokio::test]
async fn who_calls_is_told_as_over_http_1() {
    let issuer = Issuer::new().await;
    let (sees, mut seen) = mpsc::unbounded_channel();
    let orders = server(100, move |request: Request<Incoming>| {
        sees.send(request.headers().clone()).unwrap();
        async { Response::new(full("")) }
    })
    .await;
    let gateway = Setup { tables: "http2 = true", ..Setup::with(&orders, &issuer) }.start().await;
    let bearer = format!("Authorization: Bearer {}", issuer.token());
    let answer = gateway.ask("GET /private", &[&bearer, "X-User-Id: u-evil", "X_User_Role: ADMIN"]).await;
    assert_eq!(answer.status, 200);
    let headers = seen.recv().await.unwrap();
    assert_eq!(headers["x-user-id"], "u-ann");
    assert_eq!(headers["x-user-role"], "USER");
    assert_eq!(headers.get_all("x-user-id").iter().count(), 1);
    assert!(!headers.contains_key("authorization") && !headers.contains_key("x_user_role"));
    gateway.ask("GET /private", &[]).await.expect(401, "unauthenticated");
}

/// `/public/slow` is never answered, `/public/large` without end, `/public/stuck` stops after its first piece.
async fn moody() -> Upstream {
    server(200, |request: Request<Incoming>| async move {
        let piece = || Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 16 << 10])));
        match request.uri().path() {
            "/public/slow" => std::future::pending().await,
            "/public/large" => {
                Response::new(StreamBody::new(futures_util::stream::repeat_with(piece)).boxed())
            }
            "/public/stuck" => {
                let first = futures_util::stream::iter([piece()]);
                let stuck = futures_util::StreamExt::chain(first, futures_util::stream::pending());
                Response::new(StreamBody::new(stuck).boxed())
            }
            _ => {
                let _ = request.into_body().collect().await;
                Response::new(full("quick"))
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_stream_that_hangs_ends_by_its_own_limit() {
    let orders = moody().await;
    let (_gateway, mut client) = through(&orders, "first_byte = \"300ms\"\nidle = \"400ms\"").await;
    assert_eq!(ask(&mut client, get("/public/slow")).await.0, StatusCode::GATEWAY_TIMEOUT);
    let request = get("/public/stuck").body(Full::default()).unwrap();
    assert!(client.send_request(request).await.unwrap().into_body().collect().await.is_err());
    assert_eq!(ask(&mut client, get("/public")).await.1, "quick");
    assert_eq!(orders.connections(), 1, "the connection is well");
}

#[tokio::test]
async fn head_has_no_content_whoever_answers() {
    // hyper's server would send content, and so do others.
    let orders = moody().await;
    let (_gateway, mut client) = through(&orders, "").await;
    for (path, status) in [("/public", StatusCode::OK), ("/private", StatusCode::UNAUTHORIZED)] {
        assert_eq!(ask(&mut client, get(path).method("HEAD")).await, (status, Bytes::new()));
    }
}

#[tokio::test]
async fn clients_that_take_nothing_hold_up_nobody_else() {
    let orders = moody().await;
    let door = door();
    let tables = format!("http2 = true\n{}", door.tables);
    let gateway = Setup { tables: &tables, ..Setup::of(&orders) }.start().await;
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    // The client's own windows do not hold it up.
    let builder = builder.initial_stream_window_size(16 << 10).initial_connection_window_size(8 << 20);
    let handshake = builder.handshake(TokioIo::new(socket(&gateway, &door).await)).await;
    let (mut client, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let mut stalled = Vec::new();
    for _ in 0..60 {
        stalled.push(client.send_request(get("/public/large").body(Full::default()).unwrap()).await.unwrap());
    }
    tokio::time::timeout(Duration::from_secs(10), async {
        assert_eq!(ask(&mut client, get("/public")).await.1, "quick");
    })
    .await
    .unwrap();
    assert_eq!(orders.connections(), 1);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_told_so() {
    let orders = moody().await;
    let gateway = gateway_in_clear(&orders).await;
    let mut client = gateway.client().await;
    let head = "POST /small HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(format!("{head}b\r\n12345678901\r\n0\r\n\r\n")).await;
    client.answer(false).await.expect(413, "body_too_large");
    let large = "x".repeat(3 << 20);
    let mut client = gateway.client().await;
    client
        .send(format!(
            "POST /public HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{large}",
            large.len()
        ))
        .await;
    assert_eq!(client.answer(false).await.body, b"quick");
    let metrics = gateway.metrics().await;
    assert!(!metrics.contains("reason=\"broken\"} 1"), "the server is not to blame");
}

/// A TLS server that offers these protocols and answers in HTTP/2.
async fn tls_server(certificate: &Certificate, protocols: &[&str]) -> Upstream {
    let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Upstream::raw(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            serve(stream, 100, |request: Request<Incoming>| async move {
                Response::new(full(request.uri().to_string()))
            })
            .await;
        }
    })
    .await
}

#[tokio::test]
async fn over_tls_the_server_must_choose_http_2() {
    let folder = tempfile::tempdir().unwrap();
    let shown = certificate("127.0.0.1");
    written(&shown, folder.path(), "server");
    let ca = folder.path().join("server.pem");
    let mut tables = String::new();
    let servers = [
        ("both", tls_server(&shown, &["http/1.1", "h2"]).await),
        ("old", tls_server(&shown, &["http/1.1"]).await),
        ("silent", tls_server(&shown, &[]).await),
    ];
    for (name, server) in &servers {
        tables += &format!(
            "[upstreams.{name}]\nservers = [\"https://{}\"]\nhttp2 = true\nca = {ca:?}\n\
             [[routes]]\npath = \"/{name}\"\nupstream = \"{name}\"\naccess = \"public\"\n",
            server.address
        );
    }
    let orders = Upstream::telling().await;
    let gateway = Setup { tables: &tables, ..Setup::of(&orders) }.start().await;
    let answer = gateway.ask("GET /both", &[]).await;
    let target = format!("https://{}/both", servers[0].1.address);
    assert_eq!(String::from_utf8(answer.body).unwrap(), target);
    for name in ["old", "silent"] {
        gateway.ask(&format!("GET /{name}"), &[]).await.expect(503, "unavailable");
    }
}

#[tokio::test]
async fn checks_are_the_same() {
    let well = |name: &'static str, is_well: bool| {
        server(100, move |request: Request<Incoming>| async move {
            let mut answer = Response::new(full(name));
            if request.uri().path() == "/readyz" && !is_well {
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            answer
        })
    };
    let (good, ill) = (well("good", true).await, well("ill", false).await);
    let tables = "http2 = true\n[upstreams.orders.health]\npath = \"/readyz\"\ninterval = \"50ms\"\n";
    let servers = vec![good.address, ill.address];
    let gateway = Setup { servers, tables, ..Setup::default() }.start().await;
    eventually("only the one that is well is asked", async || {
        for _ in 0..10 {
            if gateway.ask("GET /public", &[]).await.body != b"good" {
                return None;
            }
        }
        Some(())
    })
    .await;
}

#[tokio::test]
async fn a_unix_socket_speaks_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let accepting = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let tell =
                |request: Request<Incoming>| async move { Response::new(full(request.uri().to_string())) };
            tokio::spawn(serve(stream, 100, tell));
        }
    });
    let tables = format!(
        "[upstreams.socket]\nservers = [\"unix:{}\"]\nhttp2 = true\n\
         [[routes]]\npath = \"/socket\"\nupstream = \"socket\"\naccess = \"public\"\n",
        path.display()
    );
    let orders = Upstream::telling().await;
    let gateway = Setup { tables: &tables, ..Setup::of(&orders) }.start().await;
    assert_eq!(gateway.ask("GET /socket/1", &[]).await.body, b"http://localhost/socket/1");
    accepting.abort();
}
