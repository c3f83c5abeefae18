//! The auth service is away, or strangers want it to be busy, while everybody else goes on under load.

use serde_json::json;
use test_support::eventually;

use crate::support::{Feed, GatewayProcess, Issuer, Load, Setup, Upstream};

const UNKNOWN_TOKENS: usize = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_auth_service_known_people_are_served() {
    let (orders, issuer, feed) = (Upstream::telling().await, Issuer::new().await, Feed::empty().await);
    let tokens = format!("jwks_refresh = \"50ms\"\n{}", feed.setting());
    let gateway = GatewayProcess::start(&Setup { tokens: &tokens, ..Setup::with(&orders, &issuer) }).await;
    gateway.ready().await;
    let load = Load::start(gateway.address, &issuer.token()).await;
    load.more(200).await;
    issuer.fail();
    feed.end();
    drop(feed);
    let failed = "gateway_key_set_fetches_total{result=\"failure\"}";
    eventually("fetches fail", async || (gateway.metric(failed).await >= 3).then_some(())).await;
    // Who comes only now is let in by the keys that are there.
    let late = format!(
        "Authorization: Bearer {}",
        issuer.token_with("k1", json!({"jti": "j-late", "sid": "s-late"}))
    );
    for _ in 0..20 {
        let mut client = gateway.client().await;
        assert_eq!(client.ask("GET /private", &[&late]).await.status, 200);
    }
    load.more(500).await;
    assert_eq!(gateway.operator("/readyz").await.status, 200);
    let (answered, _) = load.stop().await;
    let good = "gateway_requests_total{upstream=\"orders\",status=\"2xx\"}";
    assert_eq!(gateway.metric(good).await, answered as u64 + 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_unknown_keys_costs_one_fetch_and_nobody_else() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let tokens = "jwks_cooldown = \"1h\"\njwks_wait = \"200ms\"";
    let gateway = GatewayProcess::start(&Setup { tokens, ..Setup::with(&orders, &issuer) }).await;
    gateway.ready().await;
    let load = Load::start(gateway.address, &issuer.token()).await;
    let fetched = issuer.fetches();
    issuer.add_key("unknown");
    let token = issuer.token_with("unknown", json!({}));
    let (header, rest) = token.split_once('.').unwrap();
    let mut storm = Vec::new();
    for number in 0..4 {
        let mut client = gateway.client().await;
        let (header, rest) = (header.to_owned(), rest.to_owned());
        storm.push(tokio::spawn(async move {
            for turn in 0..UNKNOWN_TOKENS / 4 {
                // No two are the same, so that no cache helps; what they say is never looked at.
                let token = format!("Authorization: Bearer {header}.{rest}{number}{turn}");
                client.ask("GET /private", &[&token]).await.expect(401, "invalid_token");
            }
        }));
    }
    for client in storm {
        client.await.unwrap();
    }
    load.more(200).await;
    load.stop().await;
    assert!(issuer.fetches() <= fetched + 1, "{} fetches", issuer.fetches() - fetched);
    assert_eq!(gateway.metric("gateway_tokens_total{result=\"refused\"}").await, UNKNOWN_TOKENS as u64);
}
