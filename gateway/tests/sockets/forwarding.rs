//! What reaches an upstream, and what comes back.

use http::{Method, Response, StatusCode};
use identity::{RootKey, Verifier};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Gateway, IDENTITY_KEY, Issuer, Seen, Setup, Upstream, full};

/// An upstream that answers with these bytes, whatever it is asked.
async fn scripted(answer: &'static str) -> Upstream {
    Upstream::raw(move |mut stream| async move {
        let mut asked = [0; 4096];
        while stream.read(&mut asked).await.is_ok_and(|read| read > 0) {
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

fn verifies(seen: &Seen) -> identity::Caller {
    let root = RootKey::new(secret::parse_key(IDENTITY_KEY).unwrap());
    let verifier = Verifier::new("orders", vec![root.upstream("orders")]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    verifier.verify(&seen.method, &seen.uri, &seen.headers, i64::try_from(now).unwrap()).unwrap()
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    let answer = gateway.ask("PUT /public/a%20b/?c=%2f&d", &["X-Mine: 1", "X-Mine: 2", "Accept: */*"]).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"seen".as_slice()));
    let seen = orders.last();
    assert_eq!((&seen.method, seen.uri.to_string()), (&Method::PUT, "/public/a%20b/?c=%2f&d".to_owned()));
    assert_eq!(seen.values("x-mine"), ["1", "2"]);
    assert_eq!(seen.values("host"), [orders.address.to_string()]);
    assert_eq!(seen.values("x-request-id"), [answer.header("x-request-id").unwrap()]);
    assert_eq!(seen.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.values("x-forwarded-host"), ["localhost"]);
    assert_eq!(seen.values("x-forwarded-proto"), ["http"]);
}

#[tokio::test]
async fn the_upstream_is_told_who_is_calling() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let gateway = Setup::with(&orders, &issuer).start().await;
    assert_eq!(gateway.get_with("/private/x?y=1", &issuer.token()).await.status, 200);
    let seen = orders.last();
    let user = verifies(&seen).user.expect("a user");
    assert_eq!((user.id.as_str(), user.role.as_str()), ("u-ann", "USER"));
    assert_eq!(seen.values("x-user-email"), ["ann@example.com"]);
    assert_eq!(seen.values("x-session-id"), ["s-1"]);
    assert!(seen.values("authorization").is_empty());
}

#[tokio::test]
async fn nothing_that_a_client_says_about_itself_arrives() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    let forged = [
        "X-User-Id: root",
        "x_user_id: root",
        "X.User.Role: ADMIN",
        "X-User-Role: ADMIN",
        "X-USER-ANYTHING: 1",
        "X-Session-Id: s",
        "X-Request-Id: mine",
        "Signature: gateway=:AAAA:",
        "Signature-Input: gateway=()",
        "X-Forwarded-For: 8.8.8.8",
        "X-Forwarded-Proto: https",
        "X-Real-IP: 8.8.8.8",
        "Forwarded: for=8.8.8.8",
        "X-Original-URL: /admin",
        "Under_Score: 1",
    ];
    assert_eq!(gateway.ask("GET /public", &forged).await.status, 200);
    let seen = orders.last();
    assert!(verifies(&seen).user.is_none());
    for name in ["x-user-id", "x-user-role", "x-user-email", "x-session-id"] {
        assert_eq!(seen.values(name), [""], "{name}");
    }
    let told = format!("{:?}", seen.headers);
    for word in ["root", "ADMIN", "8.8.8.8", "mine", "AAAA", "under_score", "anything", "/admin"] {
        assert!(!told.contains(word), "{word} in {told}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let orders = Upstream::telling().await;
    let setup = Setup { top: "trusted_proxies = [\"127.0.0.0/8\"]", ..Setup::of(&orders) };
    let gateway = setup.start().await;
    let told = ["X-Forwarded-For: 8.8.8.8", "X-Forwarded-Proto: https", "X-Request-Id: from-proxy_1"];
    let answer = gateway.ask("GET /public", &told).await;
    assert_eq!(answer.header("x-request-id"), Some("from-proxy_1"));
    let seen = orders.last();
    assert_eq!(seen.values("x-forwarded-for"), ["8.8.8.8"]);
    assert_eq!(seen.values("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.values("x-request-id"), ["from-proxy_1"]);
}

#[tokio::test]
async fn connections_are_used_again_on_both_sides() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    let mut ids = std::collections::HashSet::new();
    for _ in 0..50 {
        let answer = client.ask("GET /public", &[]).await;
        assert_eq!(answer.status, 200);
        ids.insert(answer.header("x-request-id").unwrap().to_owned());
    }
    assert_eq!((ids.len(), orders.connections()), (50, 1));
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_requests_total{upstream=\"orders\",status=\"2xx\"} 50\n"), "{metrics}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let orders = Upstream::answering(|seen| async move { Response::new(full(seen.uri.to_string())) }).await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.send([one("/public/1"), one("/none"), one("/public/3")].concat()).await;
    assert_eq!(client.answer(false).await.body, b"/public/1");
    client.answer(false).await.expect(404, "not_found");
    assert_eq!(client.answer(false).await.body, b"/public/3");
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let orders = Upstream::answering(|_| async { Response::new(full("twelve bytes")) }).await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    for _ in 0..2 {
        let answer = client.ask("HEAD /public", &[]).await;
        assert_eq!((answer.status, answer.header("content-length")), (200, Some("12")));
    }
    assert_eq!(client.ask("HEAD /nowhere", &[]).await.status, 404);
    assert_eq!(client.ask("GET /public", &[]).await.body, b"twelve bytes");
    assert_eq!(orders.connections(), 1);
}

#[tokio::test]
async fn answers_without_a_body_pass() {
    let orders = Upstream::answering(|seen| async move {
        let mut answer = Response::new(full(""));
        *answer.status_mut() =
            if seen.uri.path().ends_with("304") { StatusCode::NOT_MODIFIED } else { StatusCode::NO_CONTENT };
        answer
    })
    .await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    for (path, status) in [("/public/204", 204), ("/public/304", 304), ("/public/204", 204)] {
        assert_eq!(client.ask(&format!("GET {path}"), &[]).await.status, status);
    }
}

#[tokio::test]
async fn what_concerns_one_hop_stays_there() {
    let orders = scripted(
        "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 1\r\n\
         Set-Cookie: refresh_token=stolen\r\nSet-Cookie: theme=dark\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let gateway = Setup::of(&orders).start().await;
    let answer = gateway.ask("GET /public", &["Connection: X-Mine", "X-Mine: 1"]).await;
    assert_eq!(answer.body, b"ok");
    assert_eq!(
        (answer.header("x-hop"), answer.header("keep-alive"), answer.header("x-kept")),
        (None, None, Some("1"))
    );
    let cookies: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "set-cookie").collect();
    assert_eq!(cookies, [&("set-cookie".to_owned(), "theme=dark".to_owned())]);
}

#[tokio::test]
async fn an_answer_with_two_lengths_is_framed_anew() {
    let orders = scripted(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n",
    )
    .await;
    let gateway = Setup::of(&orders).start().await;
    let answer = gateway.ask("GET /public", &["TE: trailers"]).await;
    assert_eq!((answer.body.as_slice(), answer.header("content-length")), (b"hello".as_slice(), None));
}

#[tokio::test]
async fn an_answer_in_another_transfer_coding_is_no_answer() {
    for coding in ["gzip, chunked", "gzip"] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        let orders = scripted(answer.leak()).await;
        let gateway = Setup::of(&orders).start().await;
        gateway.ask("GET /public", &[]).await.expect(502, "bad_gateway");
    }
}

#[tokio::test]
async fn an_upgrade_becomes_an_ordinary_request() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    let asks = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
    assert_eq!(gateway.ask("GET /public", &asks).await.status, 200);
    let seen = orders.last();
    assert!(seen.values("upgrade").is_empty() && seen.values("connection").is_empty());
}

#[tokio::test]
async fn an_upstream_cannot_switch_protocols_by_itself() {
    let orders =
        scripted("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nraw").await;
    let gateway = Setup::of(&orders).start().await;
    let asks = ["Connection: Upgrade", "Upgrade: websocket"];
    gateway.ask("GET /public", &asks).await.expect(502, "bad_gateway");
    gateway.ask("GET /public", &[]).await.expect(502, "bad_gateway");
}

#[tokio::test]
async fn browsers_of_allowed_origins_are_answered_here() {
    let orders = Upstream::telling().await;
    let top = "[cors]\norigins = [\"http://app.example\"]";
    let gateway = Setup { top, ..Setup::of(&orders) }.start().await;
    let asks = ["Origin: http://app.example", "Access-Control-Request-Method: POST"];
    let answer = gateway.ask("OPTIONS /private", &asks).await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (204, Some("http://app.example"))
    );
    let refused = gateway.ask("GET /private", &asks[..1]).await;
    refused.expect(401, "unauthenticated");
    assert_eq!(refused.header("access-control-allow-origin"), Some("http://app.example"), "errors too");
    assert!(orders.seen().is_empty());
}

#[tokio::test]
async fn many_clients_at_once_get_their_own_answers() {
    let orders =
        Upstream::answering(|seen| async move { Response::new(full(seen.values("x-mine")[0].to_owned())) })
            .await;
    let gateway = std::sync::Arc::new(Setup::of(&orders).start().await);
    let clients = (0..64).map(|number: u32| {
        let gateway: std::sync::Arc<Gateway> = std::sync::Arc::clone(&gateway);
        tokio::spawn(async move {
            let mut client = gateway.client().await;
            for turn in 0..20 {
                let mine = json!([number, turn]).to_string();
                let answer = client.ask("GET /public", &[&format!("X-Mine: {mine}")]).await;
                assert_eq!(answer.body, mine.as_bytes());
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}
