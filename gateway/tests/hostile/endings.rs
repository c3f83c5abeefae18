//! Rule 10: what lasts ends when its token does.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::forger::{Forger, now};
use crate::support::{Client, Feed, Gateway, Setup, Upstream};

/// The shorter the shortest of them, the oftener a connection looks at the clock.
const TIMEOUTS: &str = "head = \"500ms\"";

/// An upstream whose answers never end.
async fn endless() -> Upstream {
    Upstream::raw(|mut stream| async move {
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).await;
        let head =
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = stream.write_all(head).await;
        while stream.write_all(b"1\r\nx\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

/// The answer to a token has begun.
async fn begun(gateway: &Gateway, path: &str, token: &str) -> Client {
    let mut client = gateway.client().await;
    client
        .send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"))
        .await;
    assert_eq!(client.head().await.unwrap().0, 200);
    client
}

async fn flows(client: &mut Client) -> bool {
    client.line().await.is_some()
}

/// Reads to the end, which comes soon.
async fn ends(client: &mut Client, what: &str) {
    let end = async { while flows(client).await {} };
    tokio::time::timeout(Duration::from_secs(20), end).await.unwrap_or_else(|_| panic!("{what} flows on"));
}

#[tokio::test]
async fn an_answer_ends_when_its_token_is_revoked_or_expires_and_others_flow_on() {
    let (upstream, forger, feed) = (endless().await, Forger::new().await, Feed::empty().await);
    let tokens = feed.setting();
    let setup =
        Setup { timeouts: TIMEOUTS, jwks: Some(forger.url()), tokens: &tokens, ..Setup::of(&upstream) };
    let gateway = setup.start().await;
    feed.until_subscribed(1).await;
    let session = |sid: &str| forger.token("sid", json!(sid));
    let expiring = forger.token("exp", json!(now() + 3));
    let (mut kept, mut open) =
        (begun(&gateway, "/private", &session("s-kept")).await, begun(&gateway, "/public", "x").await);
    let mut ending =
        vec![begun(&gateway, "/private", &expiring).await, begun(&gateway, "/optional", &expiring).await];
    for path in ["/private", "/optional"] {
        ending.push(begun(&gateway, path, &session("s-ended")).await);
        ending.push(begun(&gateway, path, &forger.token("sub", json!("u-bob"))).await);
    }
    feed.revoke(r#""kind":"session","sid":"s-ended""#);
    feed.revoke(r#""kind":"user","sub":"u-bob","leastEpoch":1"#);
    for (number, client) in ending.iter_mut().enumerate() {
        ends(client, &format!("answer {number}")).await;
    }
    for client in [&mut kept, &mut open] {
        for _ in 0..20 {
            assert!(flows(client).await);
        }
    }
}

#[tokio::test]
async fn an_answer_ends_when_the_key_of_its_token_is_revoked() {
    let (upstream, forger, feed) = (endless().await, Forger::new().await, Feed::empty().await);
    let tokens = feed.setting();
    let gateway =
        Setup { timeouts: TIMEOUTS, jwks: Some(forger.url()), tokens: &tokens, ..Setup::of(&upstream) }
            .start()
            .await;
    feed.until_subscribed(1).await;
    let (mut private, mut optional) = (
        begun(&gateway, "/private", &forger.anns()).await,
        begun(&gateway, "/optional", &forger.anns()).await,
    );
    let mut open = begun(&gateway, "/public", &forger.anns()).await;
    feed.revoke(r#""kind":"key","kid":"k1""#);
    ends(&mut private, "what a revoked key signed").await;
    ends(&mut optional, "what a revoked key signed").await;
    assert!(flows(&mut open).await, "no token was read for it");
}

/// A client that does not read what it is sent cannot make the upstream go on for it.
#[tokio::test]
async fn not_reading_does_not_help() {
    let (told, ended) = tokio::sync::watch::channel(false);
    let upstream = Upstream::raw(move |mut stream| {
        let told = told.clone();
        async move {
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
            while stream.write_all(&chunk).await.is_ok() {}
            told.send_replace(true);
        }
    })
    .await;
    let forger = Forger::new().await;
    let gateway =
        Setup { timeouts: TIMEOUTS, jwks: Some(forger.url()), ..Setup::of(&upstream) }.start().await;
    let _deaf = begun(&gateway, "/private", &forger.token("exp", json!(now() + 2))).await;
    test_support::eventually("the upstream is let go", async || (*ended.borrow()).then_some(())).await;
}
