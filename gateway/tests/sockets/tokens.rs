//! Access tokens at the door: who gets in, and what happens while keys come, go and fail.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;
use test_support::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Issuer, Setup, Upstream};

#[tokio::test]
async fn a_bad_token_is_no_token() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let gateway = Setup::with(&orders, &issuer).start().await;
    let good = issuer.token();
    let (body, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{body}.{}", signature.chars().rev().collect::<String>());
    let missing = gateway.ask("GET /private", &[]).await;
    missing.expect(401, "unauthenticated");
    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    for token in [
        "garbage".to_owned(),
        "a.b.c".to_owned(),
        forged,
        issuer.token_with("k1", json!({"exp": 1})),
        issuer.token_with("k1", json!({"iss": "http://elsewhere"})),
        issuer.token_with("k1", json!({"aud": "elsewhere"})),
        issuer.token_with("k1", json!({"sid": null})),
    ] {
        for path in ["/private", "/optional", "/admin"] {
            let answer = gateway.get_with(path, &token).await;
            answer.expect(401, "invalid_token");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer error=\"invalid_token\""));
        }
    }
    gateway.ask("GET /private", &["Authorization: Basic dTpw"]).await.expect(401, "invalid_token");
    assert!(orders.seen().is_empty());
}

#[tokio::test]
async fn each_access_lets_in_whom_it_says() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let gateway = Setup::with(&orders, &issuer).start().await;
    let (user, admin) = (issuer.token(), issuer.token_with("k1", json!({"role": "ADMIN"})));
    for _ in 0..2 {
        // The second time from the cache, which remembers who it is and not what was decided.
        assert_eq!(gateway.get_with("/private", &user).await.status, 200);
        gateway.get_with("/admin", &user).await.expect(403, "forbidden");
        assert_eq!(gateway.get_with("/admin", &admin).await.status, 200);
        assert_eq!(gateway.get_with("/optional", &user).await.status, 200);
        assert_eq!(orders.last().values("x-user-id"), ["u-ann"]);
    }
    assert_eq!(gateway.ask("GET /optional", &[]).await.status, 200);
    assert_eq!(orders.last().values("x-user-id"), [""]);
    assert_eq!(gateway.get_with("/public", "stale").await.status, 200, "a public route reads no token");
    assert_eq!(orders.last().values("x-user-id"), [""]);
    let metrics = gateway.metrics().await;
    for line in ["gateway_tokens_total{result=\"checked\"} 2", "gateway_known_tokens 2"] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
}

#[tokio::test]
async fn a_cached_token_expires_all_the_same() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let gateway = Setup::with(&orders, &issuer).start().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let token = issuer.token_with("k1", json!({"exp": now + 2}));
    assert_eq!(gateway.get_with("/private", &token).await.status, 200);
    eventually("the token has expired", async || {
        (gateway.get_with("/private", &token).await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let setup =
        Setup { tokens: "jwks_cooldown = \"1ms\"\njwks_wait = \"10s\"", ..Setup::with(&orders, &issuer) };
    let gateway = setup.start().await;
    assert_eq!(issuer.fetches(), 1);
    issuer.add_key("k2");
    issuer.publish(&["k1", "k2"]);
    let token = issuer.token_with("k2", json!({}));
    let asks = (0..10).map(|_| gateway.get_with("/private", &token));
    let mut pending = Vec::new();
    for ask in asks {
        pending.push(ask.await.status);
    }
    assert_eq!(pending, [200; 10]);
    assert_eq!(issuer.fetches(), 2);
}

/// One replica of the issuer has a new key already, and another one does not.
#[tokio::test]
async fn the_other_sources_are_asked_for_a_key_and_an_older_set_is_not_taken_from_them() {
    let (orders, behind) = (Upstream::telling().await, Issuer::new().await);
    behind.add_key("k2");
    behind.add_key("k3");
    let ahead = behind.replica().await;
    let tokens = "jwks_cooldown = \"1ms\"\njwks_wait = \"10s\"";
    let setup = Setup { tokens, second_issuer: Some(&ahead), ..Setup::with(&orders, &behind) };
    let gateway = setup.start().await;
    ahead.publish(&["k1", "k2"]);
    assert_eq!(gateway.get_with("/private", &behind.token_with("k2", json!({}))).await.status, 200);
    assert_eq!((behind.fetches(), ahead.fetches()), (2, 1));
    // Now the first is ahead, and a key that nobody has does not bring the older set back.
    behind.publish(&["k1", "k2"]);
    ahead.publish(&["k1"]);
    tokio::time::sleep(Duration::from_millis(2)).await; // The cool-down.
    gateway.get_with("/private", &behind.token_with("k3", json!({}))).await.expect(401, "invalid_token");
    assert_eq!((behind.fetches(), ahead.fetches()), (3, 2));
    let again = behind.token_with("k2", json!({"jti": "j-2"}));
    assert_eq!(gateway.get_with("/private", &again).await.status, 200);
    assert_eq!((behind.fetches(), ahead.fetches()), (3, 2), "it is known still");
}

#[tokio::test]
async fn within_the_cool_down_unknown_keys_cause_nothing() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let setup = Setup { tokens: "jwks_cooldown = \"1h\"", ..Setup::with(&orders, &issuer) };
    let gateway = setup.start().await;
    issuer.add_key("k2");
    for _ in 0..20 {
        gateway.get_with("/private", &issuer.token_with("k2", json!({}))).await.expect(401, "invalid_token");
    }
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn an_outage_of_the_issuer_takes_no_key_away() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let setup =
        Setup { tokens: "jwks_refresh = \"20ms\"\njwks_cooldown = \"1ms\"", ..Setup::with(&orders, &issuer) };
    let gateway = setup.start().await;
    issuer.fail();
    let fetched = issuer.fetches();
    eventually("fetches have failed", async || (issuer.fetches() > fetched + 3).then_some(())).await;
    assert_eq!(gateway.get_with("/private", &issuer.token()).await.status, 200);
    assert_eq!(gateway.ready().await.status, 200);
    issuer.publish(&[]);
    let fetched = issuer.fetches();
    eventually("an empty set was fetched", async || (issuer.fetches() > fetched + 3).then_some(())).await;
    assert_eq!(
        gateway.get_with("/private", &issuer.token_with("k1", json!({"jti": "j-2"}))).await.status,
        200
    );
}

#[tokio::test]
async fn a_key_that_is_gone_takes_its_tokens_along() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let setup =
        Setup { tokens: "jwks_refresh = \"20ms\"\njwks_cooldown = \"1ms\"", ..Setup::with(&orders, &issuer) };
    let gateway = setup.start().await;
    issuer.add_key("k2");
    issuer.publish(&["k1", "k2"]);
    let (old, new) = (issuer.token(), issuer.token_with("k2", json!({})));
    assert_eq!(gateway.get_with("/private", &old).await.status, 200);
    assert_eq!(gateway.get_with("/private", &new).await.status, 200);
    issuer.publish(&["k2"]);
    eventually("the old key is refused", async || {
        (gateway.get_with("/private", &old).await.status == 401).then_some(())
    })
    .await;
    assert_eq!(gateway.get_with("/private", &new).await.status, 200);
}

#[tokio::test]
async fn without_any_keys_nobody_is_judged() {
    let orders = Upstream::telling().await;
    let gateway = Setup { tokens: "jwks_wait = \"50ms\"", ..Setup::of(&orders) }.start().await;
    let answer = gateway.get_with("/private", "a.b.c").await;
    answer.expect(503, "unavailable");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(gateway.ask("GET /public", &[]).await.status, 200);
    let ready = gateway.ready().await;
    assert_eq!(ready.status, 503);
    assert!(String::from_utf8(ready.body).unwrap().contains("keys"));
}

#[tokio::test]
async fn an_endless_answer_ends_with_its_token() {
    let issuer = Issuer::new().await;
    let orders = Upstream::raw(|mut stream| async move {
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        while stream.write_all(b"1\r\nx\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let gateway = Setup { timeouts: "head = \"500ms\"", ..Setup::with(&orders, &issuer) }.start().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let token = issuer.token_with("k1", json!({"exp": now + 2}));
    let mut client = gateway.client().await;
    client
        .send(format!("GET /private HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"))
        .await;
    assert_eq!(client.head().await.unwrap().0, 200);
    let mut lines = 0;
    while client.line().await.is_some() {
        lines += 1;
    }
    assert!(lines > 2, "it flowed before");
}

/// Sends something now and then, for ever.
async fn event_stream() -> Upstream {
    Upstream::raw(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        while stream.write_all(b"1\r\n\n\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
}

#[tokio::test]
async fn an_answer_that_flows_ends_with_its_token() {
    let (orders, issuer) = (event_stream().await, Issuer::new().await);
    let gateway = Setup::with(&orders, &issuer).start().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let token = issuer.token_with("k1", json!({ "exp": now + 2 }));
    let mut client = gateway.client().await;
    client
        .send(format!("GET /private HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"))
        .await;
    assert_eq!(client.head().await.unwrap().0, 200);
    let since = Instant::now();
    while client.line().await.is_some() {}
    assert!(
        since.elapsed() < Duration::from_secs(7),
        "{:?}: not at the connection's next look",
        since.elapsed()
    );
}
