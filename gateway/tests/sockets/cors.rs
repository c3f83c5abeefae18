//! Which pages may call, for all routes and for one.

use crate::support::{Answer, Gateway, Setup, Upstream};

const APP: &str = "Origin: https://app.example";
const PARTNER: &str = "Origin: https://partner.example";

const TOP: &str = "[cors]\norigins = [\"https://app.example\"]";
const ROUTES: &str = "[[routes]]\npath = \"/partner\"\nupstream = \"orders\"\naccess = \"public\"\nmethods = [\"GET\", \"PUT\"]\n\
                      websocket = true\ncors = { origins = [\"https://partner.example\"] }\n\
                      [[routes]]\npath = \"/public/inside\"\nupstream = \"orders\"\naccess = \"public\"\ncors = false\n";

async fn preflight(gateway: &Gateway, path: &str, origin: &str, method: &str) -> Answer {
    let method = format!("Access-Control-Request-Method: {method}");
    gateway.ask(&format!("OPTIONS {path}"), &[origin, &method]).await
}

/// Whether a page of this origin may read the answer.
fn is_for(answer: &Answer, origin: &str) -> bool {
    let allowed = answer.header("access-control-allow-origin");
    allowed.is_some_and(|allowed| origin.strip_prefix("Origin: ") == Some(allowed))
}

#[tokio::test]
async fn a_preflight_is_answered_for_the_route_that_would_take_the_request() {
    let orders = Upstream::telling().await;
    let gateway = Setup { top: TOP, tables: ROUTES, ..Setup::of(&orders) }.start().await;
    for (path, origin, status) in [
        ("/public", APP, 204),
        ("/public", PARTNER, 403),
        ("/partner/things", PARTNER, 204),
        ("/partner/things", APP, 403),
        ("/public/inside", APP, 403),
        ("/nowhere", APP, 204),
        ("/nowhere", PARTNER, 403),
    ] {
        let answer = preflight(&gateway, path, origin, "PUT").await;
        assert_eq!((answer.status, is_for(&answer, origin)), (status, status == 204), "{path} {origin}");
    }
    assert!(orders.seen().is_empty());
}

#[tokio::test]
async fn an_answer_is_for_the_origins_of_its_route() {
    let orders = Upstream::telling().await;
    let gateway = Setup { top: TOP, tables: ROUTES, ..Setup::of(&orders) }.start().await;
    for (line, origin, status, readable) in [
        ("GET /public", APP, 200, true),
        ("GET /partner", APP, 200, false),
        ("GET /partner", PARTNER, 200, true),
        ("DELETE /partner", PARTNER, 405, true),
        ("GET /partner/../x", PARTNER, 400, false),
        ("GET /public/inside", APP, 200, false),
        ("GET /nowhere", APP, 404, true),
    ] {
        let answer = gateway.ask(line, &[origin]).await;
        assert_eq!((answer.status, is_for(&answer, origin)), (status, readable), "{line} {origin}");
    }
    let plain = gateway.ask("GET /partner", &[]).await;
    assert_eq!(plain.header("vary"), Some("Origin"), "a cache must not give it to an origin");
    assert_eq!(gateway.ask("GET /public/inside", &[]).await.header("vary"), None);
}

#[tokio::test]
async fn a_websocket_is_opened_by_pages_of_its_routes_origins() {
    let orders = Upstream::telling().await;
    let gateway = Setup { top: TOP, tables: ROUTES, ..Setup::of(&orders) }.start().await;
    let wish = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let open = async |origin| gateway.ask("GET /partner", &[&wish[..], &[origin]].concat()).await;
    open(APP).await.expect(403, "origin_required");
    assert_eq!(open(PARTNER).await.status, 200, "the upstream, which knows no websockets, was asked");
    assert_eq!(open("Origin: http://localhost").await.status, 200, "the gateway's own");
}
