//! The way out: what is in flight finishes, and nobody is surprised.

use std::sync::Arc;

use http::Response;
use test_support::{TestProcess, eventually, free_port};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{Client, GatewayProcess, IDENTITY_KEY, Issuer, Load, Setup, Upstream, full};

/// An upstream that answers when it is told to.
async fn held() -> (Upstream, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let going = Arc::clone(&go);
    let upstream = Upstream::answering(move |_| {
        let going = Arc::clone(&going);
        async move {
            going.notified().await;
            Response::new(full("at last"))
        }
    })
    .await;
    (upstream, go)
}

#[tokio::test]
async fn what_is_in_flight_finishes_with_a_farewell() {
    let ((orders, go), issuer) = (held().await, Issuer::new().await);
    let mut gateway = Setup::with(&orders, &issuer).start().await;
    let mut client = gateway.client().await;
    client.send("GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    eventually("the request is in flight", async || (orders.seen().len() == 1).then_some(())).await;
    gateway.begin_stop();
    let address = gateway.address;
    eventually("nobody new is let in", async || TcpStream::connect(address).await.is_err().then_some(()))
        .await;
    let ready = gateway.ready().await;
    assert_eq!((ready.status, String::from_utf8_lossy(&ready.body).contains("draining")), (503, true));
    go.notify_one();
    let answer = client.answer(false).await;
    assert_eq!((answer.body.as_slice(), answer.header("connection")), (b"at last".as_slice(), Some("close")));
    assert!(client.is_closed().await);
    gateway.stopped().await;
}

#[tokio::test]
async fn a_kept_connection_may_ask_once_more_and_is_told_goodbye() {
    let orders = Upstream::telling().await;
    let mut gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    assert_eq!(client.ask("GET /public", &[]).await.header("connection"), None);
    gateway.begin_stop();
    let address = gateway.address;
    eventually("nobody new is let in", async || TcpStream::connect(address).await.is_err().then_some(()))
        .await;
    let answer = client.ask("GET /public", &[]).await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(client.is_closed().await);
    gateway.stopped().await;
}

#[tokio::test]
async fn idle_connections_do_not_hold_it_up() {
    let orders = Upstream::telling().await;
    let mut gateway = Setup::of(&orders).start().await;
    let mut idle = gateway.client().await;
    assert_eq!(idle.ask("GET /public", &[]).await.status, 200);
    let mut silent = gateway.client().await;
    gateway.begin_stop();
    gateway.stopped().await;
    assert!(idle.is_closed().await && silent.is_closed().await);
}

#[tokio::test]
async fn what_does_not_finish_is_cut_off_in_the_end() {
    let (orders, _never) = held().await;
    let mut gateway = Setup { timeouts: "drain = \"200ms\"", ..Setup::of(&orders) }.start().await;
    let mut client = gateway.client().await;
    client.send("GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    eventually("the request is in flight", async || (orders.seen().len() == 1).then_some(())).await;
    gateway.begin_stop();
    gateway.stopped().await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn the_process_logs_each_request_and_stops_at_sigterm() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let (port, admin) = (free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let text = format!(
        "listen = \"127.0.0.1:{port}\"\nadmin_listen = \"127.0.0.1:{admin}\"\n[tokens]\nissuer = \"http://auth\"\n\
         audience = \"api\"\njwks = \"{}\"\n[upstreams.orders]\nservers = [\"http://{}\"]\n\
         [[routes]]\npath = \"/private\"\nupstream = \"orders\"\naccess = \"authenticated\"\n",
        issuer.url(),
        orders.address
    );
    std::fs::write(&file, text).unwrap();
    let environment = [("APP_ENV", "development"), ("LOG_FORMAT", "json"), ("IDENTITY_KEY", IDENTITY_KEY)];
    let environment = environment.map(|(name, value)| (name, value.to_owned()));
    let mut process = TestProcess::start("gateway", &["--config", file.to_str().unwrap()], environment);
    let admin = format!("127.0.0.1:{admin}").parse().unwrap();
    eventually("the process is ready", async || {
        TcpStream::connect(admin).await.ok()?;
        (Client::connect(admin).await.ask("GET /readyz", &[]).await.status == 200).then_some(())
    })
    .await;
    let mut client = Client::connect(format!("127.0.0.1:{port}").parse().unwrap()).await;
    let token = issuer.token();
    let answer = client
        .ask("GET /private?secret=1", &[&format!("Authorization: Bearer {token}"), "X_User.Id: root"])
        .await;
    assert_eq!(answer.status, 200);
    let line = process.line_with("gateway::access").await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["path"], "/private");
    assert_eq!((line["status"].as_u64(), line["upstream"].as_str()), (Some(200), Some("orders")));
    assert_eq!(line["user"], "u-ann");
    assert_eq!(
        (line["route"].as_str(), line["decision"].as_str(), line["token"].as_str()),
        (Some("/private"), Some("forward"), Some("checked"))
    );
    assert_eq!(line["spoofed"], true);
    assert_eq!(line["server"].as_str(), Some(format!("http://{}", orders.address).as_str()));
    assert!(line["connect_us"].as_u64() <= line["head_us"].as_u64(), "{line}");
    assert!(line["head_us"].as_u64() <= line["duration_us"].as_u64(), "{line}");
    assert_eq!(line["request_id"].as_str(), answer.header("x-request-id"));
    client.ask("GET /private/nobody", &[]).await.expect(401, "unauthenticated");
    let line = process.line_with("/private/nobody").await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (line["route"].as_str(), line["decision"].as_str(), line["reason"].as_str()),
        (Some("/private"), Some("refuse"), Some("unauthenticated"))
    );
    assert_eq!((&line["token"], &line["head_us"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    let page = Client::connect(admin).await.ask("GET /metrics", &[]).await;
    let page = String::from_utf8(page.body).unwrap();
    for counted in ["gateway_spoofed_requests_total 1", "gateway_refusals_total{code=\"unauthenticated\"} 1"]
    {
        assert!(page.lines().any(|line| line == counted), "{counted} in {page}");
    }
    assert!(process.stop().await.success());
    let all = process.lines().join("\n");
    for secret in [&token, "secret=1", "ann@example.com", IDENTITY_KEY] {
        assert!(!all.contains(secret), "{secret} in\n{all}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_is_replaced_under_load_and_nobody_notices() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let setup = Setup::with(&orders, &issuer);
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut serving = GatewayProcess::start_on(&setup, &socket).await;
    assert_eq!(serving.address, socket.local_addr().unwrap(), "the file names another");
    serving.ready().await;
    let load = Load::start(serving.address, &issuer.token()).await;
    for _ in 0..3 {
        load.more(300).await;
        let next = GatewayProcess::start_on(&setup, &socket).await;
        next.ready().await;
        let mut old = std::mem::replace(&mut serving, next);
        assert!(old.process.stop().await.success());
    }
    load.more(300).await;
    let (answered, farewells) = load.stop().await;
    assert!(answered > 1_200 && farewells >= 8, "{answered} {farewells}");
}

#[tokio::test]
async fn a_socket_that_nobody_asked_for_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, Setup::of(&Upstream::telling().await).text()).unwrap();
    let mut command = std::process::Command::new("/bin/sh");
    let script = "exec 3<&0; LISTEN_PID=$$ exec \"$0\" \"$@\"";
    command.arg("-c").arg(script).arg(test_support::binary("gateway")).arg("--config").arg(file);
    command.env_clear().envs([("APP_ENV", "development"), ("IDENTITY_KEY", IDENTITY_KEY)]);
    command.envs([("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "public")]);
    // Its standard input is no socket.
    let mut process = TestProcess::spawn("gateway", command);
    assert!(!process.ended().await.success());
    process.line_with("\"public\" is not one that listens").await;
}
