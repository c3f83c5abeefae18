//! Keys and secrets are replaced under load, and nobody notices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use system_tests::{JWT_SECRET, Options, PASSWORD, Stack};
use test_support::reqwest::{Client, Method};
use test_support::{HttpClient, eventually, eventually_within};
use tokio::task::JoinSet;

const CLIENTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(50);
const NEW_SECRET: &str = "Jq8vTzW1b0cN5xYkR3mHs7LpQeUoDiFgA2tZyXwVuCk=";

/// How often each status was answered; `None` is a connection that broke.
type Statuses = BTreeMap<Option<u16>, u32>;

/// Clients that refresh and call both gateways, until told to stop.
struct Load {
    running: JoinSet<Statuses>,
    stopped: Arc<AtomicBool>,
}

impl Load {
    async fn start(stack: &Stack, email: &str) -> Self {
        let (mut running, stopped) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        for _ in 0..CLIENTS {
            let gateways = [stack.gateway_url(0), stack.gateway_url(1)];
            let client = Client::builder().no_proxy().build().unwrap();
            let tokens = log_in(&client, &gateways[0], email).await;
            running.spawn(live(client, gateways, tokens, Arc::clone(&stopped)));
        }
        Self { running, stopped }
    }

    async fn stop(self) -> Statuses {
        self.stopped.store(true, Ordering::Relaxed);
        let mut all = Statuses::new();
        for (status, count) in self.running.join_all().await.into_iter().flatten() {
            *all.entry(status).or_default() += count;
        }
        all
    }
}

async fn log_in(client: &Client, gateway: &str, email: &str) -> Value {
    let credentials = json!({"email": email, "password": PASSWORD, "tokenDelivery": "body"});
    let login = client.post(format!("{gateway}/api/auth/login")).json(&credentials).send().await.unwrap();
    login.error_for_status().unwrap().json().await.unwrap()
}

async fn live(
    client: Client,
    gateways: [String; 2],
    mut tokens: Value,
    stopped: Arc<AtomicBool>,
) -> Statuses {
    let (mut statuses, mut turn) = (Statuses::new(), 0);
    while !stopped.load(Ordering::Relaxed) {
        turn += 1;
        let refresh = client.post(format!("{}/api/auth/refresh", gateways[turn % 2]));
        let answer = refresh.json(&json!({"refreshToken": tokens["refreshToken"]})).send().await.ok();
        *statuses.entry(answer.as_ref().map(|answer| answer.status().as_u16())).or_default() += 1;
        if let Some(answer) = answer.filter(|answer| answer.status() == 200) {
            tokens = answer.json().await.unwrap();
        }
        for gateway in &gateways {
            let call = client.request(Method::GET, format!("{gateway}/api/orders"));
            let answer = call.bearer_auth(tokens["accessToken"].as_str().unwrap()).send().await.ok();
            *statuses.entry(answer.map(|answer| answer.status().as_u16())).or_default() += 1;
        }
        tokio::time::sleep(PAUSE).await;
    }
    statuses
}

#[expect(clippy::print_stdout, reason = "the counts are worth reading")]
fn report(what: &str, statuses: &Statuses) {
    println!("{what}: {statuses:?}");
}

/// The key that signs now.
async fn kid(client: &HttpClient, email: &str) -> String {
    use base64::Engine as _;
    let login =
        client.post("/api/auth/login", &json!({"email": email, "password": PASSWORD})).await.expect(200);
    let body = login.json();
    let head = body["accessToken"].as_str().unwrap().split('.').next().unwrap();
    let head = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(head).unwrap();
    let head: Value = serde_json::from_slice(&head).unwrap();
    head["kid"].as_str().unwrap().to_owned()
}

/// Verifiers that keep keys for a second, and keys that are published long enough for every replica to have seen them.
fn quick() -> Options {
    let options = Options { tokens: "jwks_refresh = \"1s\"".to_owned(), ..Options::default() };
    options.auth("KEY_PUBLISH_AHEAD", "15s").auth("REFRESH_GRACE", "1s")
}

#[tokio::test(flavor = "multi_thread")]
async fn three_key_rotations_under_load_and_not_one_wrong_401() {
    let stack = Stack::with(quick()).await;
    let email = stack.customer("ann").await.email;
    let load = Load::start(&stack, &email).await;
    let visitor = stack.visitor();
    for _ in 0..3 {
        let before = kid(&visitor, &email).await;
        stack.auth_command(&["keys", "rotate"], "");
        eventually_within(Duration::from_secs(60), "the next key signs", async || {
            (kid(&visitor, &email).await != before).then_some(())
        })
        .await;
    }
    let statuses = load.stop().await;
    report("three key rotations", &statuses);
    assert_eq!(statuses.keys().collect::<Vec<_>>(), [&Some(200)]);
}

/// Every gateway and every replica knows at once: neither polls, cool-downs nor the age of a key set are waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_at_once_and_its_sessions_live_on() {
    let stack = Stack::with(Options::default()).await;
    let ann = stack.customer("ann").await;
    let other = HttpClient::new(stack.gateway_url(1));
    other.set_bearer(Some(ann.access_token()));
    for client in [&ann.client, &other] {
        client.get("/api/orders").await.expect(200);
    }
    let before = kid(&stack.visitor(), &ann.email).await;
    stack.auth_command(&["keys", "revoke", &before], "");
    let revoked = Instant::now();
    for client in [&ann.client, &other] {
        eventually("the old token is refused", async || {
            (client.get("/api/orders").await.status == 401).then_some(())
        })
        .await;
    }
    let refused = revoked.elapsed();
    // Four times, so that both replicas of the auth service have signed for both gateways.
    for turn in 0..4 {
        let what = "a token of the new key is accepted";
        eventually(what, async || {
            let token = ann.refresh().await.expect(200).json()["accessToken"].as_str().unwrap().to_owned();
            let client = [&ann.client, &other][turn % 2];
            client.set_bearer(Some(&token));
            (client.get("/api/orders").await.status == 200).then_some(())
        })
        .await;
    }
    let accepted = revoked.elapsed();
    #[expect(clippy::print_stdout, reason = "the figures are worth reading")]
    {
        println!(
            "a key revoked: its tokens refused after {refused:?}, the next one's accepted after {accepted:?}"
        );
    }
    // Half of the cool-down that a gateway had to wait out before.
    assert!(accepted < Duration::from_millis(2_500), "{accepted:?}");
    assert_ne!(kid(&stack.visitor(), &ann.email).await, before);
}

/// Restarts every process of one kind, one after another, with the options as they are now.
async fn restart_auth(stack: &mut Stack) {
    for replica in 0..2 {
        stack.auth[replica].stop().await;
        stack.auth[replica] = stack.new_auth(replica);
        stack.ready().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jwt_secret_is_replaced_under_load_and_nobody_is_logged_out() {
    let mut stack = Stack::with(quick()).await;
    let email = stack.customer("ann").await.email;
    let load = Load::start(&stack, &email).await;
    let tell = |options: Options, secret: &str, previous: &str| {
        options.auth("JWT_SECRET", secret).auth("JWT_SECRET_PREVIOUS", previous)
    };
    // Known everywhere before anybody uses it; then used; then the old one is dropped.
    for (secret, previous) in [(JWT_SECRET, NEW_SECRET), (NEW_SECRET, JWT_SECRET)] {
        stack.options = tell(stack.options.clone(), secret, previous);
        restart_auth(&mut stack).await;
    }
    stack.auth_command(&["keys", "reencrypt"], "");
    tokio::time::sleep(Duration::from_secs(2)).await; // Every session rotates: the grace is one second.
    stack.options = tell(stack.options.clone(), NEW_SECRET, "");
    restart_auth(&mut stack).await;
    let statuses = load.stop().await;
    report("JWT_SECRET replaced", &statuses);
    assert!(!statuses.contains_key(&Some(401)), "{statuses:?}");
    assert!(statuses.keys().all(|status| matches!(status, Some(200 | 503))), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_key_is_replaced_under_load_and_nobody_is_refused() {
    let mut stack = Stack::with(quick()).await;
    let email = stack.customer("ann").await.email;
    let load = Load::start(&stack, &email).await;
    let share = |upstream| (Stack::identity_key_under(NEW_SECRET, upstream), Stack::identity_key(upstream));
    // The services take both shares before any gateway signs with the new one.
    let (new, old) = share("auth");
    stack.options = stack.options.clone().auth("IDENTITY_KEY", new).auth("IDENTITY_KEY_PREVIOUS", old);
    let (new, old) = share("orders");
    stack.options.orders.extend([("IDENTITY_KEY", new), ("IDENTITY_KEY_PREVIOUS", old)]);
    restart_auth(&mut stack).await;
    for replica in 0..2 {
        stack.orders[replica].stop().await;
        stack.orders[replica] = stack.new_orders(replica);
        stack.ready().await;
    }
    stack.options.gateway.push(("IDENTITY_KEY", NEW_SECRET.to_owned()));
    for replica in 0..2 {
        stack.gateways[replica].stop().await;
        stack.gateways[replica] = stack.new_gateway(replica);
        stack.ready().await;
    }
    let statuses = load.stop().await;
    report("IDENTITY_KEY replaced", &statuses);
    assert!(statuses.keys().all(|status| matches!(status, None | Some(200 | 503))), "{statuses:?}");
}
