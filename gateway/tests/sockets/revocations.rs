//! Revocations: what the feed tells is true at the next request, and what it does not tell is not taken for granted.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use test_support::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Answer, Client, Feed, Gateway, Issuer, Setup, Upstream, later};

const SESSION: &str = r#""kind":"session","sid":"s-1""#;
const HEARTBEAT: &str = "event: heartbeat\ndata: {}\nid: db.2\n\n";

/// A gateway that follows the feed and has heard of it.
async fn following(orders: &Upstream, issuer: &Issuer, feed: &Feed, more: &str) -> Gateway {
    let tokens = format!("{}{more}", feed.setting());
    let gateway = Setup { tokens: &tokens, ..Setup::with(orders, issuer) }.start().await;
    until(&gateway, "gateway_revocations_stale 0").await;
    gateway
}

async fn until(gateway: &Gateway, line: &str) {
    let what = format!("metrics say {line}");
    eventually(&what, async || gateway.metrics().await.lines().any(|said| said == line).then_some(())).await;
}

async fn get(client: &mut Client, token: &str) -> Answer {
    client.ask("GET /private", &[&format!("Authorization: Bearer {token}")]).await
}

/// Waits until a token is refused, and says how.
async fn refused(client: &mut Client, token: &str) -> Answer {
    let what = "the token is refused";
    eventually(what, async || Some(get(client, token).await).filter(|answer| answer.status != 200)).await
}

#[tokio::test]
async fn a_session_ends_between_two_requests_on_one_connection() {
    let (orders, issuer, feed) = (Upstream::telling().await, Issuer::new().await, Feed::empty().await);
    let gateway = following(&orders, &issuer, &feed, "").await;
    let mut client = gateway.client().await;
    let (ended, other) = (issuer.token(), issuer.token_with("k1", json!({"sid": "s-2"})));
    assert_eq!(get(&mut client, &ended).await.status, 200);
    feed.revoke(SESSION);
    let answer = refused(&mut client, &ended).await;
    answer.expect(401, "invalid_token");
    assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer error=\"invalid_token\""));
    assert_eq!(get(&mut client, &other).await.status, 200);
    let fresh = issuer.token_with("k1", json!({"jti": "j-2", "epoch": 9}));
    get(&mut client, &fresh).await.expect(401, "invalid_token");
    assert_eq!(client.ask("GET /public", &[&format!("Authorization: Bearer {ended}")]).await.status, 200);
    let metrics = gateway.metrics().await;
    for line in ["gateway_revocations 1", "gateway_tokens_total{result=\"revoked\"} 2"] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
}

#[tokio::test]
async fn a_users_older_tokens_end_and_the_next_ones_do_not() {
    let (orders, issuer, feed) = (Upstream::telling().await, Issuer::new().await, Feed::empty().await);
    let gateway = following(&orders, &issuer, &feed, "").await;
    let mut client = gateway.client().await;
    let token = |epoch: u32| issuer.token_with("k1", json!({"epoch": epoch, "sid": format!("s-{epoch}")}));
    for epoch in 0..3 {
        assert_eq!(get(&mut client, &token(epoch)).await.status, 200);
    }
    let newest = token(2);
    feed.revoke(r#""kind":"user","sub":"u-ann","leastEpoch":2"#);
    refused(&mut client, &token(0)).await.expect(401, "invalid_token");
    get(&mut client, &token(1)).await.expect(401, "invalid_token");
    assert_eq!(get(&mut client, &newest).await.status, 200);
}

#[tokio::test]
async fn the_documented_stream_is_understood() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../docs/vectors/revocations.json")).unwrap();
    let stream = vectors["stream"].as_str().unwrap().replace("2026-11-24T10:15:10", "2126-11-24T10:15:10");
    for pieces in [1, 7, 1 << 20] {
        let (orders, issuer, feed) = (Upstream::telling().await, Issuer::new().await, Feed::silent().await);
        let tokens = feed.setting();
        let gateway = Setup { tokens: &tokens, ..Setup::with(&orders, &issuer) }.start().await;
        feed.until_subscribed(1).await;
        assert_eq!(feed.headers().get("last-event-id"), None);
        for piece in stream.as_bytes().chunks(pieces) {
            feed.send(piece);
        }
        until(&gateway, "gateway_revocations 4").await;
        until(&gateway, "gateway_revocations_stale 0").await;
        let sid = &vectors["revocations"][0]["data"]["sid"];
        let ended = issuer.token_with("k1", json!({ "sid": sid }));
        gateway.get_with("/private", &ended).await.expect(401, "invalid_token");
        let user = &vectors["revocations"][1]["data"];
        let least = user["leastEpoch"].as_u64().unwrap();
        let token =
            |epoch: u64| issuer.token_with("k1", json!({"sub": user["sub"], "sid": "x", "epoch": epoch}));
        gateway.get_with("/private", &token(least - 1)).await.expect(401, "invalid_token");
        assert_eq!(gateway.get_with("/private", &token(least)).await.status, 200);
        feed.end();
        feed.until_subscribed(2).await;
        let last = vectors["after"].as_array().unwrap().last().unwrap();
        assert_eq!(feed.headers()["last-event-id"].to_str().unwrap(), last["lastEventId"].as_str().unwrap());
    }
}

#[tokio::test]
async fn after_a_break_it_goes_on_from_the_last_id_and_forgets_nothing() {
    let (orders, issuer, feed) = (Upstream::telling().await, Issuer::new().await, Feed::empty().await);
    let gateway = following(&orders, &issuer, &feed, "").await;
    feed.revoke(SESSION);
    feed.send(HEARTBEAT);
    until(&gateway, "gateway_revocations 1").await;
    feed.end();
    feed.until_subscribed(2).await;
    assert_eq!(feed.headers()["last-event-id"], "db.2");
    let mut client = gateway.client().await;
    get(&mut client, &issuer.token()).await.expect(401, "invalid_token");
    let other = issuer.token_with("k1", json!({"sid": "s-2"}));
    assert_eq!(get(&mut client, &other).await.status, 200);
    feed.revoke(r#""kind":"session","sid":"s-2""#);
    refused(&mut client, &other).await.expect(401, "invalid_token");
}

#[tokio::test]
async fn when_a_replica_dies_the_next_one_is_asked() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let (first, second) = (Feed::empty().await, Feed::empty().await);
    let tokens = format!(
        "revocations = [\"http://127.0.0.1:1/internal/revocations\", \"http://{}/internal/revocations\", \
         \"http://{}/internal/revocations\"]\nupstream = \"orders\"\non_stale = \"deny\"",
        first.address(),
        second.address()
    );
    let gateway = Setup { tokens: &tokens, ..Setup::with(&orders, &issuer) }.start().await;
    assert_eq!((first.subscribed(), second.subscribed()), (1, 0));
    drop(first);
    second.until_subscribed(1).await;
    let mut client = gateway.client().await;
    assert_eq!(get(&mut client, &issuer.token()).await.status, 200, "a break is no staleness");
    second.revoke(SESSION);
    refused(&mut client, &issuer.token()).await.expect(401, "invalid_token");
}

#[tokio::test]
async fn before_the_first_snapshot_deny_refuses_whom_it_would_let_in() {
    let (orders, issuer, feed) = (Upstream::telling().await, Issuer::new().await, Feed::silent().await);
    let tokens = format!("{}on_stale = \"deny\"", feed.setting());
    let setup = Setup { tokens: &tokens, ..Setup::with(&orders, &issuer) };
    let gateway = setup.start_unready().await;
    feed.until_subscribed(1).await;
    // A heartbeat is no snapshot, and an entry counts before there is one.
    feed.send(HEARTBEAT);
    feed.revoke(r#""kind":"session","sid":"s-2""#);
    until(&gateway, "gateway_revocations 1").await;
    until(&gateway, "gateway_key_set_loaded 1").await;
    let doubtful = gateway.get_with("/private", &issuer.token()).await;
    doubtful.expect(503, "unavailable");
    assert!(doubtful.header("retry-after").is_some());
    let ended = issuer.token_with("k1", json!({"sid": "s-2"}));
    gateway.get_with("/private", &ended).await.expect(401, "invalid_token");
    gateway.get_with("/private", "garbage").await.expect(401, "invalid_token");
    gateway.ask("GET /private", &[]).await.expect(401, "unauthenticated");
    assert_eq!(gateway.ask("GET /optional", &[]).await.status, 200);
    assert_eq!(gateway.get_with("/public", &issuer.token()).await.status, 200);
    let ready = gateway.ready().await;
    assert_eq!(
        (ready.status, String::from_utf8_lossy(&ready.body).contains("revocations: no snapshot")),
        (503, true)
    );
    assert!(orders.seen().iter().all(|seen| seen.values("x-user-id") == [""]));
    feed.send("event: snapshot\ndata: {}\nid: db.1\n\n");
    eventually("it is ready", async || (gateway.ready().await.status == 200).then_some(())).await;
    assert_eq!(gateway.get_with("/private", &issuer.token()).await.status, 200);
}

#[tokio::test]
async fn serve_goes_on_and_says_so() {
    let (orders, issuer, feed) = (Upstream::telling().await, Issuer::new().await, Feed::silent().await);
    let tokens = feed.setting();
    let gateway = Setup { tokens: &tokens, ..Setup::with(&orders, &issuer) }.start().await;
    assert_eq!(gateway.get_with("/private", &issuer.token()).await.status, 200);
    let ready = gateway.ready().await;
    assert_eq!(
        (ready.status, String::from_utf8(ready.body).unwrap()),
        (200, "ready\nrevocations: no snapshot has come yet\n".to_owned())
    );
    until(&gateway, "gateway_revocations_stale 1").await;
    until(&gateway, "gateway_revocations_lag_seconds +Inf").await;
    feed.until_subscribed(1).await;
    feed.send("event: snapshot\ndata: {}\nid: db.1\n\n");
    until(&gateway, "gateway_revocations_stale 0").await;
    assert_eq!(gateway.ready().await.body, b"ready\n");
}

/// The one test that waits ten real seconds: silence is what it is about.
#[tokio::test]
async fn a_feed_that_falls_silent_is_stale_and_asked_anew() {
    let (orders, issuer, feed) = (Upstream::telling().await, Issuer::new().await, Feed::empty().await);
    let gateway = following(&orders, &issuer, &feed, "on_stale = \"deny\"").await;
    let mut client = gateway.client().await;
    let token = issuer.token();
    let silence = async {
        // Neither comments nor entries are signs of life.
        let mut number = 0;
        while feed.subscribed() == 1 {
            number += 1;
            feed.send(":\n\n");
            feed.revoke(&format!("\"kind\":\"session\",\"sid\":\"other-{number}\""));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let (answer, ()) = tokio::join!(refused(&mut client, &token), silence);
    answer.expect(503, "unavailable");
    assert_eq!(feed.headers()["last-event-id"], "db.1");
    eventually("the new snapshot counts", async || {
        (get(&mut client, &token).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_asked_for_again() {
    for broken in [
        "event: revocation\ndata: {\"kind\":\"session\"}\n\n".to_owned(),
        "event: revocation\ndata: nonsense\n\n".to_owned(),
        format!("event: revocation\ndata: {}", "x".repeat(1 << 20)),
        "event: revocation\ndata: \u{0}\n\n".to_owned(),
        "event: heartbeat\ndata: {}\nid: a\u{1}b\n\n".to_owned(),
        format!("event: heartbeat\ndata: {{}}\nid: {}\n\n", "9".repeat(300)),
    ] {
        let (orders, issuer, feed) = (Upstream::telling().await, Issuer::new().await, Feed::empty().await);
        let gateway = following(&orders, &issuer, &feed, "").await;
        let mut client = gateway.client().await;
        let token = issuer.token();
        assert_eq!(get(&mut client, &token).await.status, 200);
        feed.revoke(SESSION);
        feed.send(&broken);
        refused(&mut client, &token).await.expect(401, "invalid_token");
        feed.until_subscribed(2).await;
        assert_eq!(feed.headers()["last-event-id"], "db.1", "{broken:.40}");
    }
}

#[tokio::test]
async fn what_a_later_version_says_does_no_harm() {
    let (orders, issuer, feed) = (Upstream::telling().await, Issuer::new().await, Feed::empty().await);
    let gateway = following(&orders, &issuer, &feed, "").await;
    feed.send("event: weather\ndata: rain\n\nretry: 1\ncolour: blue\n\n");
    feed.revoke(r#""kind":"continent","name":"Europe""#);
    feed.revoke(SESSION);
    until(&gateway, "gateway_revocations_received_total{kind=\"unknown\"} 1").await;
    gateway.get_with("/private", &issuer.token()).await.expect(401, "invalid_token");
    assert_eq!(feed.subscribed(), 1);
}

#[tokio::test]
async fn answers_that_are_no_feed_are_no_feed() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    for head in ["401 Unauthorized\r\nContent-Type: text/event-stream", "200 OK\r\nContent-Type: text/html"] {
        let server = Upstream::raw(move |mut stream| async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let body = "event: snapshot\ndata: {}\n\n";
            let _ = stream.write_all(format!("HTTP/1.1 {head}\r\n\r\n{body}").as_bytes()).await;
        })
        .await;
        let tokens = format!("revocations = \"http://{}/\"\nupstream = \"orders\"", server.address);
        let gateway = Setup { tokens: &tokens, ..Setup::with(&orders, &issuer) }.start().await;
        until(&gateway, "gateway_revocations_interruptions_total 2").await;
        until(&gateway, "gateway_revocations_stale 1").await;
    }
}

#[tokio::test]
async fn a_revoked_key_takes_its_tokens_along_at_once_and_does_not_come_back() {
    let (orders, issuer, feed) = (Upstream::telling().await, Issuer::new().await, Feed::empty().await);
    issuer.add_key("k2");
    issuer.publish(&["k1", "k2"]);
    let gateway =
        following(&orders, &issuer, &feed, "jwks_refresh = \"20ms\"\njwks_cooldown = \"1ms\"").await;
    let mut client = gateway.client().await;
    let (old, new) = (issuer.token(), issuer.token_with("k2", json!({"jti": "j-2"})));
    assert_eq!(get(&mut client, &old).await.status, 200);
    assert_eq!(get(&mut client, &new).await.status, 200);
    feed.revoke(r#""kind":"key","kid":"k1""#);
    refused(&mut client, &old).await.expect(401, "invalid_token");
    assert_eq!(get(&mut client, &new).await.status, 200);
    let fetched = issuer.fetches();
    eventually("the document, with the key in it, is fetched", async || {
        (issuer.fetches() > fetched + 3).then_some(())
    })
    .await;
    get(&mut client, &old).await.expect(401, "invalid_token");
    get(&mut client, &issuer.token_with("k1", json!({"jti": "j-3"}))).await.expect(401, "invalid_token");
    until(&gateway, "gateway_revocations 1").await;
}

/// The key in the place of a revoked one signs at once, and no cool-down keeps anybody from fetching it.
#[tokio::test]
async fn the_key_in_its_place_is_known_at_once() {
    let (orders, issuer, feed) = (Upstream::telling().await, Issuer::new().await, Feed::empty().await);
    let gateway = following(&orders, &issuer, &feed, "jwks_cooldown = \"1h\"\njwks_wait = \"10s\"").await;
    let mut client = gateway.client().await;
    let old = issuer.token();
    issuer.add_key("k2");
    let new = issuer.token_with("k2", json!({"jti": "j-2"}));
    get(&mut client, &new).await.expect(401, "invalid_token");
    feed.revoke(r#""kind":"key","kid":"k1""#);
    refused(&mut client, &old).await.expect(401, "invalid_token");
    eventually("the set is fetched although nobody asked", async || (issuer.fetches() >= 2).then_some(()))
        .await;
    // And again, because it was published a moment later.
    issuer.publish(&["k2"]);
    eventually("the new key's tokens are good", async || {
        (get(&mut client, &new).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_there_is_no_room_for_is_doubt_whatever_the_policy() {
    let (orders, issuer, feed) = (Upstream::telling().await, Issuer::new().await, Feed::empty().await);
    let gateway = following(&orders, &issuer, &feed, "on_stale = \"serve\"").await;
    let mut client = gateway.client().await;
    let token = issuer.token();
    assert_eq!(get(&mut client, &token).await.status, 200);
    feed.revoke(SESSION);
    for number in 0..1025 {
        feed.revoke(&format!("\"kind\":\"key\",\"kid\":\"lost-{number}\""));
    }
    until(&gateway, "gateway_revocations_overflowed 1").await;
    get(&mut client, &token).await.expect(401, "invalid_token");
    get(&mut client, &issuer.token_with("k1", json!({"sid": "s-2"}))).await.expect(503, "unavailable");
    let ready = gateway.ready().await;
    assert_eq!((ready.status, String::from_utf8_lossy(&ready.body).contains("room")), (503, true));
}

#[tokio::test]
async fn a_hundred_thousand_entries_are_taken_in_and_each_is_found() {
    let (orders, issuer, feed) = (Upstream::telling().await, Issuer::new().await, Feed::silent().await);
    let tokens = feed.setting();
    let gateway = Setup { tokens: &tokens, ..Setup::with(&orders, &issuer) }.start().await;
    feed.until_subscribed(1).await;
    let (later, mut batch) = (later(), String::new());
    for number in 0..100_000 {
        write!(
            batch,
            "event: revocation\ndata: {{\"kind\":\"session\",\"sid\":\"many-{number}\",\"expiresAt\":\"{later}\"}}\n\n"
        )
        .unwrap();
    }
    feed.send(batch);
    feed.send("event: snapshot\ndata: {}\nid: db.1\n\n");
    until(&gateway, "gateway_revocations 100000").await;
    until(&gateway, "gateway_revocations_stale 0").await;
    let mut client = gateway.client().await;
    for number in [0, 1, 49_999, 99_999] {
        let token = issuer.token_with("k1", json!({"sid": format!("many-{number}")}));
        get(&mut client, &token).await.expect(401, "invalid_token");
    }
    for number in 100_000..100_050 {
        let token = issuer.token_with("k1", json!({"sid": format!("many-{number}")}));
        assert_eq!(get(&mut client, &token).await.status, 200);
    }
}

#[tokio::test]
async fn an_answer_that_flows_ends_with_its_session() {
    let (issuer, feed) = (Issuer::new().await, Feed::empty().await);
    let orders = Upstream::raw(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await;
        // Silent from here on: the end must not depend on something moving.
        let _ = stream.read(&mut [0; 1]).await;
    })
    .await;
    let gateway = following(&orders, &issuer, &feed, "").await;
    let token = |sid: &str| issuer.token_with("k1", json!({ "sid": sid }));
    let mut clients = Vec::new();
    for token in [issuer.token(), token("s-2")] {
        let mut client = gateway.client().await;
        let head =
            format!("GET /private HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
        client.send(head).await;
        assert_eq!(client.head().await.unwrap().0, 200);
        assert_eq!(client.chunk().await.unwrap(), b"x");
        clients.push(client);
    }
    feed.revoke(SESSION);
    assert!(clients[0].is_closed().await);
    let other = tokio::time::timeout(Duration::from_millis(1500), clients[1].is_closed()).await;
    assert!(other.is_err(), "somebody else's goes on");
}
