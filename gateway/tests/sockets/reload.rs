//! Another configuration in a process that goes on serving.

use std::sync::Arc;

use http::Response;
use tokio::sync::Notify;

use crate::support::{GatewayProcess, Issuer, Load, Setup, Upstream, full};

const NEW_ROUTE: &str = "[[routes]]\npath = \"/new\"\nupstream = \"orders\"\naccess = \"public\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_requests_and_none_notices() {
    let (one, two, issuer) = (Upstream::telling().await, Upstream::telling().await, Issuer::new().await);
    let setups = [
        Setup { tables: NEW_ROUTE, ..Setup::with(&one, &issuer) },
        Setup { servers: vec![one.address, two.address], ..Setup::with(&one, &issuer) },
        Setup::with(&two, &issuer),
        // Everything known of tokens begins anew.
        Setup { tokens: "jwks_refresh = \"7m\"", ..Setup::with(&two, &issuer) },
        Setup {
            timeouts: "idle = \"50s\"",
            top: "trusted_proxies = [\"10.0.0.0/8\"]",
            ..Setup::with(&one, &issuer)
        },
    ];
    let gateway = GatewayProcess::start(&Setup::with(&one, &issuer)).await;
    gateway.ready().await;
    let load = Load::start(gateway.address, &issuer.token()).await;
    for _ in 0..2 {
        for setup in &setups {
            load.more(200).await;
            gateway.reload(setup).await;
        }
    }
    load.more(200).await;
    let (answered, farewells) = load.stop().await;
    assert!(answered > 2_000 && farewells == 0, "{answered} {farewells}");
    assert_eq!((gateway.reloads("success").await, gateway.reloads("failure").await), (10, 0));
    let counted = gateway.metric("gateway_requests_total{upstream=\"orders\",status=\"2xx\"}").await;
    assert_eq!(counted, answered as u64, "a reload loses no counter");
    let route = async |path| {
        gateway.metric(&format!("gateway_route_requests_total{{route=\"{path}\",status=\"2xx\"}}")).await
    };
    assert_eq!(route("/private").await + route("/public").await, counted);
}

#[tokio::test]
async fn an_open_connection_sees_routes_come_and_go() {
    let orders = Upstream::telling().await;
    let gateway = GatewayProcess::start(&Setup::of(&orders)).await;
    let mut client = gateway.client().await;
    client.ask("GET /new", &[]).await.expect(404, "not_found");
    gateway.reload(&Setup { tables: NEW_ROUTE, ..Setup::of(&orders) }).await;
    assert_eq!(client.ask("GET /new", &[]).await.status, 200);
    assert_eq!(orders.connections(), 1);
    assert_eq!(client.ask("GET /public", &[]).await.status, 200);
    gateway.reload(&Setup::of(&orders)).await;
    client.ask("GET /new", &[]).await.expect(404, "not_found");
    assert_eq!(client.ask("GET /public", &[]).await.status, 200);
    assert_eq!(orders.connections(), 1, "an upstream that did not change keeps its connections");
}

#[tokio::test]
async fn what_is_not_usable_is_refused_whole() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let setup = Setup::with(&orders, &issuer);
    let gateway = GatewayProcess::start(&setup).await;
    gateway.ready().await;
    let mut client = gateway.client().await;
    let good = setup.text();
    for (text, reason) in [
        (format!("{good}{NEW_ROUTE}\nnonsense = true\n"), "line "),
        (
            format!(
                "{good}{NEW_ROUTE}\n[tls]\ncertificates = [{{ cert = \"/nowhere\", key = \"/nowhere\" }}]\n"
            ),
            "cannot read /nowhere",
        ),
        (
            format!("{good}{NEW_ROUTE}\n").replacen("127.0.0.1:0", "127.0.0.1:1", 1),
            "`listen` cannot change from 127.0.0.1:0 to 127.0.0.1:1",
        ),
    ] {
        let line = gateway.refuse(&text).await;
        assert!(line.contains(reason), "{line}");
        client.ask("GET /new", &[]).await.expect(404, "not_found");
        assert_eq!(client.ask("GET /public", &[]).await.status, 200);
        let ready = gateway.operator("/readyz").await;
        assert_eq!(
            (ready.status, String::from_utf8_lossy(&ready.body).contains("configuration:")),
            (200, true)
        );
        assert_eq!(gateway.metric("gateway_config_refused").await, 1);
    }
    gateway.reload(&Setup { tables: NEW_ROUTE, ..setup }).await;
    assert_eq!(client.ask("GET /new", &[]).await.status, 200);
    assert_eq!(gateway.metric("gateway_config_refused").await, 0);
}

#[tokio::test]
async fn other_servers_get_what_comes_and_the_old_ones_finish() {
    let (go, held) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (going, holding) = (Arc::clone(&go), Arc::clone(&held));
    let old = Upstream::answering(move |_| {
        let (going, holding) = (Arc::clone(&going), Arc::clone(&holding));
        async move {
            holding.notify_one();
            going.notified().await;
            Response::new(full("from the old one"))
        }
    })
    .await;
    let new = Upstream::telling().await;
    let gateway = GatewayProcess::start(&Setup::of(&old)).await;
    let mut waiting = gateway.client().await;
    waiting.send("GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    held.notified().await;
    gateway.reload(&Setup::of(&new)).await;
    let mut client = gateway.client().await;
    assert_eq!(client.ask("GET /public", &[]).await.body, b"seen");
    go.notify_one();
    assert_eq!(waiting.answer(false).await.body, b"from the old one");
    assert_eq!(waiting.ask("GET /public", &[]).await.body, b"seen");
    assert_eq!((old.seen().len(), new.seen().len()), (1, 2));
}

#[tokio::test]
async fn a_new_issuer_counts_once_its_keys_are_there() {
    let (orders, old, new) = (Upstream::telling().await, Issuer::new().await, Issuer::new().await);
    let audience = |issuer: &str| Setup::with(&orders, &old).text().replace("http://auth", issuer);
    let gateway = GatewayProcess::start(&Setup::with(&orders, &old)).await;
    gateway.ready().await;
    let mut client = gateway.client().await;
    let token = format!("Authorization: Bearer {}", old.token());
    assert_eq!(client.ask("GET /private", &[&token]).await.status, 200);
    gateway.reload(&Setup::with(&orders, &new)).await;
    let token = format!("Authorization: Bearer {}", new.token());
    assert_eq!(client.ask("GET /private", &[&token]).await.status, 200);
    new.fail();
    let line = gateway.refuse(&audience("http://other").replace(&old.url(), &new.url())).await;
    assert!(line.contains("no usable key set"), "{line}");
    assert_eq!(client.ask("GET /private", &[&token]).await.status, 200);
}
