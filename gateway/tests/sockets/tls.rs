//! TLS: on the public listener, and to upstreams.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
use test_support::{TestProcess, eventually, free_port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::{Client, Gateway, GatewayProcess, IDENTITY_KEY, Setup, Upstream};

pub(crate) type Certificate = CertifiedKey<rcgen::KeyPair>;

/// For a name, and for the host that the tests' client asks for.
pub(crate) fn certificate(name: &str) -> Certificate {
    certificate_for(&[name, "localhost"])
}

fn certificate_for(names: &[&str]) -> Certificate {
    generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

/// Writes both files; answers the line of `[tls] certificates`.
pub(crate) fn written(certificate: &Certificate, folder: &Path, name: &str) -> String {
    let (cert, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    std::fs::write(&cert, certificate.cert.pem()).unwrap();
    std::fs::write(&key, certificate.signing_key.serialize_pem()).unwrap();
    format!("{{ cert = {cert:?}, key = {key:?} }}")
}

async fn connect(
    address: SocketAddr,
    name: &str,
    trusted: &Certificate,
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    connect_with(&client_config(trusted), address, name).await
}

pub(crate) fn client_config(trusted: &Certificate) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

async fn connect_with(
    config: &Arc<ClientConfig>,
    address: SocketAddr,
    name: &str,
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    Ok(Client::over(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?))
}

#[tokio::test]
async fn the_listener_speaks_tls_with_the_certificate_that_is_asked_for() {
    let orders = Upstream::telling().await;
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (certificate("one.example"), certificate("two.example"));
    let tables = format!(
        "[tls]\ncertificates = [{}, {}]",
        written(&one, folder.path(), "one"),
        written(&two, folder.path(), "two")
    );
    let gateway = Setup { tables: &tables, ..Setup::of(&orders) }.start().await;
    for (name, certificate) in [("one.example", &one), ("two.example", &two)] {
        let mut client = connect(gateway.address, name, certificate).await.unwrap();
        for _ in 0..2 {
            assert_eq!(client.ask("GET /public", &[]).await.status, 200);
            assert_eq!(orders.last().values("x-forwarded-proto"), ["https"]);
        }
    }
    assert!(connect(gateway.address, "two.example", &one).await.is_err());
    let body = vec![b'x'; 3 << 20];
    let mut client = connect(gateway.address, "one.example", &one).await.unwrap();
    client
        .send(format!("POST /public HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len()))
        .await;
    client.send(&body).await;
    assert_eq!(client.answer(false).await.status, 200);
    assert_eq!(orders.last().body.len(), body.len());
}

#[tokio::test]
async fn a_connection_is_for_the_name_it_was_opened_with_and_those_of_its_certificate() {
    let orders = Upstream::telling().await;
    let folder = tempfile::tempdir().unwrap();
    let one = certificate_for(&["one.example", "127.0.0.1", "also.example"]);
    let two = certificate_for(&["two.example"]);
    let certificates = [written(&one, folder.path(), "one"), written(&two, folder.path(), "two")].join(", ");
    let tables = format!("[tls]\ncertificates = [{certificates}]");
    let gateway = Setup { tables: &tables, ..Setup::of(&orders) }.start().await;
    let proxied = Setup { tables: &tables, top: "trusted_proxies = [\"127.0.0.1\"]", ..Setup::of(&orders) };
    let proxied = proxied.start().await;
    let check = async |gateway: &Gateway, name, certificate, host: &str, status: u16| {
        let mut client = connect(gateway.address, name, certificate).await.unwrap();
        client.send(format!("GET /public HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(client.answer(false).await.status, status, "{name} {host}");
    };
    check(&gateway, "one.example", &one, "one.example", 200).await;
    check(&gateway, "one.example", &one, "ONE.example.:443", 200).await;
    check(&gateway, "one.example", &one, "also.example", 200).await;
    check(&gateway, "one.example", &one, "two.example", 421).await;
    check(&gateway, "two.example", &two, "two.example", 200).await;
    check(&gateway, "two.example", &two, "one.example", 421).await;
    // An address is no server name: the client sent none.
    check(&gateway, "127.0.0.1", &one, "127.0.0.1", 200).await;
    check(&gateway, "127.0.0.1", &one, "also.example", 200).await;
    check(&gateway, "127.0.0.1", &one, "two.example", 421).await;
    check(&proxied, "one.example", &one, "two.example", 200).await;
}

#[tokio::test]
async fn a_session_is_resumed_wherever_the_client_comes_back() {
    let (orders, folder) = (Upstream::telling().await, tempfile::tempdir().unwrap());
    let one = certificate("one.example");
    let tables = format!("[tls]\ncertificates = [{}]", written(&one, folder.path(), "one"));
    let gateway = Setup { tables: &tables, ..Setup::of(&orders) }.start().await;
    let config = client_config(&one);
    let mut kinds = Vec::new();
    for _ in 0..6 {
        let mut client = connect_with(&config, gateway.address, "one.example").await.unwrap();
        assert_eq!(client.ask("GET /public", &[]).await.status, 200);
        kinds.push(client.stream().get_ref().1.handshake_kind().unwrap());
    }
    assert!(kinds[1..].iter().all(|kind| *kind == HandshakeKind::Resumed), "{kinds:?}");
}

#[tokio::test]
async fn whoever_speaks_no_tls_is_let_go() {
    let orders = Upstream::telling().await;
    let folder = tempfile::tempdir().unwrap();
    let tables =
        format!("[tls]\ncertificates = [{}]", written(&certificate("one.example"), folder.path(), "one"));
    let setup = Setup { tables: &tables, timeouts: "head = \"200ms\"", ..Setup::of(&orders) };
    let gateway = setup.start().await;
    let mut plain = gateway.client().await;
    plain.send("GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    while plain.line().await.is_some() {}
    let mut silent = gateway.client().await;
    assert!(silent.is_closed().await, "the handshake has a limit too");
    assert!(orders.seen().is_empty());
}

/// An upstream that speaks TLS and answers everything.
async fn tls_upstream(certificate: &Certificate) -> Upstream {
    tls_upstream_for(certificate, None).await
}

/// The same; it may insist on a client with this certificate.
async fn tls_upstream_for(certificate: &Certificate, client: Option<&Certificate>) -> Upstream {
    let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![certificate.cert.der().clone()];
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let mut roots = RootCertStore::empty();
            roots.add(client.cert.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let config = builder.with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Upstream::raw(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut asked = [0; 4096];
            while stream.read(&mut asked).await.is_ok_and(|read| read > 0) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret").await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_upstream_over_tls_must_show_a_certificate_that_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (certificate("127.0.0.1"), certificate("127.0.0.1"));
    let (believed, stranger) = (tls_upstream(&good).await, tls_upstream(&bad).await);
    let (port, admin) = (free_port(), free_port());
    written(&good, folder.path(), "good");
    let mut text = format!(
        "listen = \"127.0.0.1:{port}\"\nadmin_listen = \"127.0.0.1:{admin}\"\n\
         [tokens]\nissuer = \"i\"\naudience = \"a\"\njwks = \"http://127.0.0.1:1/\"\n",
    );
    for (name, upstream) in [("good", &believed), ("bad", &stranger)] {
        text += &format!(
            "[upstreams.{name}]\nservers = [\"https://{}\"]\n[[routes]]\npath = \"/{name}\"\nupstream = \"{name}\"\naccess = \"public\"\n",
            upstream.address
        );
    }
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, text).unwrap();
    let roots = folder.path().join("good.pem").to_str().unwrap().to_owned();
    let environment = [
        ("APP_ENV", "development".to_owned()),
        ("IDENTITY_KEY", IDENTITY_KEY.to_owned()),
        ("SSL_CERT_FILE", roots),
    ];
    let mut process = TestProcess::start("gateway", &["--config", file.to_str().unwrap()], environment);
    let address: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    eventually("the process listens", async || TcpStream::connect(address).await.ok()).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.ask("GET /good", &[]).await.body, b"secret");
    client.ask("GET /bad", &[]).await.expect(503, "unavailable");
    assert!(process.stop().await.success());
}

#[tokio::test]
async fn an_upstream_may_name_whom_it_believes_and_what_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let (server, ours, stranger) = (certificate("127.0.0.1"), certificate("gateway"), certificate("gateway"));
    let server_file = {
        written(&server, folder.path(), "server");
        folder.path().join("server.pem")
    };
    let shown = |certificate: &Certificate, name: &str| {
        written(certificate, folder.path(), name);
        let file = |end: &str| folder.path().join(format!("{name}.{end}"));
        format!("client_cert = {:?}\nclient_key = {:?}\n", file("pem"), file("key"))
    };
    let upstream = tls_upstream_for(&server, Some(&ours)).await;
    let mut tables = String::new();
    for (name, shown) in
        [("none", String::new()), ("ours", shown(&ours, "ours")), ("other", shown(&stranger, "other"))]
    {
        let address = upstream.address;
        write!(
            tables,
            "[upstreams.{name}]\nservers = [\"https://{address}\"]\nca = {server_file:?}\n{shown}\
             [[routes]]\npath = \"/{name}\"\nupstream = \"{name}\"\naccess = \"public\"\n"
        )
        .unwrap();
    }
    let orders = Upstream::telling().await;
    let gateway = Setup { tables: &tables, ..Setup::of(&orders) }.start().await;
    assert_eq!(gateway.ask("GET /ours", &[]).await.body, b"secret");
    for name in ["none", "other"] {
        assert_eq!(gateway.ask(&format!("GET /{name}"), &[]).await.status, 503, "{name}");
    }
}

#[tokio::test]
async fn a_certificate_that_was_renewed_is_shown_to_whoever_comes() {
    let orders = Upstream::telling().await;
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (certificate("one.example"), certificate("one.example"));
    let tables = format!("[tls]\ncertificates = [{}]", written(&old, folder.path(), "one"));
    let gateway = GatewayProcess::start(&Setup { tables: &tables, ..Setup::of(&orders) }).await;
    let mut client = connect(gateway.address, "one.example", &old).await.unwrap();
    assert_eq!(client.ask("GET /public", &[]).await.status, 200);
    // Nobody sends a signal: the files are looked at.
    written(&new, folder.path(), "one");
    eventually("the new certificate is shown", async || {
        connect(gateway.address, "one.example", &new).await.ok().map(drop)
    })
    .await;
    assert!(connect(gateway.address, "one.example", &old).await.is_err());
    assert_eq!(client.ask("GET /public", &[]).await.status, 200, "an open connection lives");
    assert_eq!((gateway.reloads("success").await, gateway.reloads("failure").await), (1, 0));
}
