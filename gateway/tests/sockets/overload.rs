//! What is too much at once is refused while the rest goes on; and prefixes that an upstream does not see.

use std::sync::Arc;

use http::Response;
use test_support::eventually;
use tokio::sync::Notify;

use crate::support::{Issuer, Setup, Upstream, full};

/// An upstream that answers when it is told to.
async fn waiting() -> (Upstream, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    let upstream = Upstream::answering(move |seen| {
        let wait = Arc::clone(&wait);
        async move {
            if seen.uri.path().ends_with("/slow") {
                wait.notified().await;
            }
            Response::new(full("seen"))
        }
    })
    .await;
    (upstream, go)
}

#[tokio::test]
async fn a_route_takes_so_many_at_once_and_another_is_not_touched() {
    let (orders, go) = waiting().await;
    let tables = "[[routes]]\npath = \"/few\"\nupstream = \"orders\"\naccess = \"public\"\nconcurrency = 1\n";
    let gateway = Setup { tables, ..Setup::of(&orders) }.start().await;
    let mut slow = gateway.client().await;
    slow.send("GET /few/slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    eventually("it is under way", async || (orders.seen().len() == 1).then_some(())).await;
    let refused = gateway.ask("GET /few", &[]).await;
    refused.expect(503, "unavailable");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(gateway.ask("GET /public", &[]).await.status, 200);
    go.notify_one();
    assert_eq!(slow.answer(false).await.status, 200);
    eventually("there is room again", async || {
        (gateway.ask("GET /few", &[]).await.status == 200).then_some(())
    })
    .await;
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_overloaded_total{scope=\"route\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn who_goes_away_makes_room() {
    let (orders, _go) = waiting().await;
    let gateway = Setup { tables: "[limits]\nrequests = 1\n", ..Setup::of(&orders) }.start().await;
    let mut slow = gateway.client().await;
    slow.send("GET /public/slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    eventually("it is under way", async || (orders.seen().len() == 1).then_some(())).await;
    gateway.ask("GET /public", &[]).await.expect(503, "unavailable");
    drop(slow);
    eventually("there is room again", async || {
        (gateway.ask("GET /public", &[]).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_upstream_sees_a_stripped_path_and_guards_hold_there() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let tables =
        "[[routes]]\npath = \"/shop\"\nupstream = \"orders\"\naccess = \"public\"\nstrip_prefix = true\n";
    let gateway = Setup { tables, ..Setup::with(&orders, &issuer) }.start().await;
    assert_eq!(gateway.ask("GET /shop/things/1?a=b", &[]).await.status, 200);
    let seen = orders.last();
    assert_eq!(seen.uri.to_string(), "/things/1?a=b");
    assert!(seen.values("signature-input")[0].contains("\"@path\""));
    assert_eq!(gateway.ask("GET /shop", &[]).await.status, 200);
    assert_eq!(orders.last().uri.to_string(), "/");
    let before = orders.seen().len();
    for guarded in ["/shop/private", "/shop/private/x", "/shop/admin"] {
        gateway.get_with(guarded, &issuer.token()).await.expect(403, "forbidden");
    }
    gateway.ask("GET /shop/private;v=1", &[]).await.expect(400, "bad_request");
    gateway.ask("GET /shop/../private", &[]).await.expect(400, "bad_request");
    assert_eq!(orders.seen().len(), before);
    assert_eq!(gateway.get_with("/private", &issuer.token()).await.status, 200);
}
