//! Who asks too often is told when to come back, and nobody else notices.

use serde_json::json;

use crate::support::{Answer, Client, Gateway, GatewayProcess, Issuer, Setup, Upstream};

/// A route of its own, before the usual ones.
fn route(rest: &str) -> String {
    format!("[[routes]]\npath = \"/few\"\nupstream = \"orders\"\n{rest}\n")
}

#[track_caller]
fn is_too_often(answer: &Answer) {
    answer.expect(429, "too_many_requests");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
}

async fn from(gateway: &Gateway, address: &str, path: &str) -> Answer {
    gateway.ask(&format!("GET {path}"), &[&format!("X-Forwarded-For: {address}")]).await
}

#[tokio::test]
async fn an_address_is_counted_before_its_token_is_read() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let tables = route("access = \"authenticated\"\nrate = { address = \"1/h burst 2\" }");
    let gateway = Setup { tables: &tables, ..Setup::with(&orders, &issuer) }.start().await;
    gateway.get_with("/few", "garbage").await.expect(401, "invalid_token");
    gateway.get_with("/few", "garbage").await.expect(401, "invalid_token");
    is_too_often(&gateway.get_with("/few", &issuer.token()).await);
    assert_eq!(gateway.get_with("/private", &issuer.token()).await.status, 200);
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_rate_limited_total{scope=\"address\"} 1\n"), "{metrics}");
    assert_eq!(orders.seen().len(), 1);
}

#[tokio::test]
async fn an_address_is_what_a_trusted_proxy_says_and_nobody_else() {
    let orders = Upstream::telling().await;
    let tables = route("access = \"public\"\nrate = { address = \"1/h\" }");
    let proxied = Setup { top: "trusted_proxies = [\"127.0.0.1\"]", tables: &tables, ..Setup::of(&orders) };
    let gateway = proxied.start().await;
    assert_eq!(from(&gateway, "192.0.2.1", "/few").await.status, 200);
    is_too_often(&from(&gateway, "192.0.2.1", "/few").await);
    assert_eq!(from(&gateway, "192.0.2.2", "/few").await.status, 200);
    assert_eq!(from(&gateway, "2001:db8::1", "/few").await.status, 200);
    is_too_often(&from(&gateway, "2001:db8::2:1", "/few").await);
    assert_eq!(from(&gateway, "2001:db8:0:1::1", "/few").await.status, 200);

    let direct = Setup { tables: &tables, ..Setup::of(&orders) }.start().await;
    assert_eq!(from(&direct, "192.0.2.1", "/few").await.status, 200);
    is_too_often(&from(&direct, "192.0.2.2", "/few").await);
}

#[tokio::test]
async fn users_and_clients_have_counts_of_their_own() {
    let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
    let tables = "[limits.rate]\nuser = \"1/h burst 2\"\n\
                  [[routes]]\npath = \"/machines\"\nupstream = \"orders\"\naccess = { clients = [\"reports\", \"billing\"] }\n\
                  rate = { client = \"1/h\" }\n\
                  [[routes]]\npath = \"/free\"\nupstream = \"orders\"\naccess = \"authenticated\"\nrate = { user = \"off\" }\n";
    let gateway = Setup { tables, ..Setup::with(&orders, &issuer) }.start().await;
    let (ann, bob) = (issuer.token(), issuer.token_with("k1", json!({ "sub": "u-bob", "sid": "s-2" })));
    // Every route without a limit of its own counts into the same one; what is not allowed does not count.
    gateway.get_with("/admin", &ann).await.expect(403, "forbidden");
    assert_eq!(gateway.get_with("/private", &ann).await.status, 200);
    assert_eq!(gateway.get_with("/optional", &ann).await.status, 200);
    is_too_often(&gateway.get_with("/private", &ann).await);
    assert_eq!(gateway.get_with("/free", &ann).await.status, 200);
    assert_eq!(gateway.get_with("/private", &bob).await.status, 200);
    assert_eq!(gateway.ask("GET /optional", &[]).await.status, 200);

    let machine = |id: &str| {
        issuer
            .token_with("k1", json!({ "sub": id, "client_id": id, "sid": null, "email": null, "role": null }))
    };
    assert_eq!(gateway.get_with("/machines", &machine("reports")).await.status, 200);
    is_too_often(&gateway.get_with("/machines", &machine("reports")).await);
    assert_eq!(gateway.get_with("/machines", &machine("billing")).await.status, 200);
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_rate_limited_total{scope=\"client\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_reload_forgets_nobody_whose_limit_is_the_same() {
    let orders = Upstream::telling().await;
    let setup = |tables| Setup { tables, ..Setup::of(&orders) };
    let before = route("access = \"public\"\nrate = { address = \"1/h\" }");
    let other = format!("{before}[[routes]]\npath = \"/new\"\nupstream = \"orders\"\naccess = \"public\"\n");
    let looser = other.replace("1/h", "2/h");
    let gateway = GatewayProcess::start(&setup(&before)).await;
    let ask = async || Client::connect(gateway.address).await.ask("GET /few", &[]).await;
    assert_eq!(ask().await.status, 200);
    gateway.reload(&setup(&other)).await;
    is_too_often(&ask().await);
    gateway.reload(&setup(&looser)).await;
    assert_eq!(ask().await.status, 200);
}
