//! Rule 9: nothing rides on an upgrade that did not happen.

use crate::world::{Ask, World};

#[tokio::test]
async fn upgrades_to_http2_and_tunnels_are_refused() {
    let world = World::new().await;
    for protocol in ["h2c", "H2C", "websocket, h2c", "h2c,websocket"] {
        let headers = [
            ("Connection", "Upgrade, HTTP2-Settings"),
            ("Upgrade", protocol),
            ("HTTP2-Settings", "AAMAAABkAARAAAAA"),
        ];
        world.refuses(&Ask::get(&headers), 400, "bad_request").await;
        world.refuses(&Ask::get(&headers[1..2]), 400, "bad_request").await;
    }
    world.refuses(&Ask::new("CONNECT", "localhost:22", &[]), 405, "method_not_allowed").await;
    world.refuses(&Ask::new("CONNECT", "{path}", &[]), 405, "method_not_allowed").await;
}

/// On a route that upgrades nothing, the request is an ordinary one and what follows is the next request: it is read
/// by the same rules, and no byte of it goes upstream unread.
#[tokio::test]
async fn what_follows_an_upgrade_that_did_not_happen_is_a_request() {
    let world = World::new().await;
    let upgrade = "GET {path} HTTP/1.1\r\n{head}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for door in world.doors() {
        for smuggled in [
            "GET /admin HTTP/1.1\r\nHost: localhost\r\nX-User-Role: ADMIN\r\n\r\n",
            "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ] {
            let outcome = world.send(&door, &format!("{upgrade}{smuggled}")).await;
            let statuses: Vec<_> = outcome.replies.iter().map(|reply| reply.status).collect();
            assert_eq!((statuses.len(), outcome.arrived.len(), outcome.kept), (2, 1, true), "{statuses:?}");
            assert!(statuses[1] == 401 || statuses[1] == 404, "{statuses:?}");
        }
        let outcome = world.send(&door, &format!("{upgrade}\x01\x02websocket frames")).await;
        assert_eq!((outcome.arrived.len(), outcome.kept), (1, false), "{outcome:?}");
    }
}

#[tokio::test]
async fn the_preface_of_http2_is_no_request() {
    let world = World::new().await;
    for door in world.doors() {
        let outcome = world.send(&door, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        assert!(outcome.arrived.is_empty() && !outcome.kept, "{outcome:?}");
    }
}
