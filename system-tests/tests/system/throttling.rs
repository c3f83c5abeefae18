//! Guessing, through the real gateways: shared by the replicas, evaded by nobody, and no way to lock somebody else out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};
use system_tests::{Options, PASSWORD, Stack};
use test_support::reqwest::{Client, Method};
use test_support::{Answer, HttpClient, eventually};

const LOGIN: &str = "/api/auth/login";

fn wrong(email: &str) -> Value {
    json!({"email": email, "password": "not the password"})
}

fn right(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD})
}

/// Somebody whose connections to a gateway come from another address of this machine.
fn stranger(stack: &Stack, gateway: usize, address: [u8; 4]) -> HttpClient {
    let client = Client::builder().no_proxy().local_address(IpAddr::from(address)).build().unwrap();
    HttpClient::with(stack.gateway_url(gateway), client)
}

#[track_caller]
fn turned_away(answer: Answer) -> u64 {
    let answer = answer.expect(429);
    assert_eq!(answer.code(), "too_many_attempts");
    answer.header("retry-after").unwrap().parse().unwrap()
}

/// How often each status was answered to this many attempts at once, over both gateways.
async fn at_once(stack: &Stack, count: usize, body: &Value) -> BTreeMap<u16, usize> {
    let attempts: Vec<_> = (0..count)
        .map(|number| {
            let (client, body) = (HttpClient::new(stack.gateway_url(number % 2)), body.clone());
            tokio::spawn(async move {
                let request = client.request(Method::POST, LOGIN).json(&body);
                client.try_send(request).await.map_or(0, |answer| answer.status.as_u16())
            })
        })
        .collect();
    let mut statuses = BTreeMap::new();
    for attempt in attempts {
        *statuses.entry(attempt.await.unwrap()).or_default() += 1;
    }
    statuses
}

async fn failures(stack: &Stack) -> i32 {
    let most = "SELECT coalesce(max(failures), 0) FROM throttles";
    stack.auth_database().await.query_one(most, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_guesses_at_once_over_two_replicas_exactly_the_allowed_ones_are_tried() {
    let stack = Stack::with(Options::default().auth("THROTTLE_ACCOUNT", "10/1h")).await;
    stack.visitor().post("/api/auth/register", &right("ann@shop.example")).await.expect(201);
    for email in ["ann@shop.example", "nobody@shop.example"] {
        let statuses = at_once(&stack, 100, &wrong(email)).await;
        assert_eq!(statuses, BTreeMap::from([(401, 10), (429, 90)]), "{email}");
    }
    assert!(turned_away(stack.visitor().post(LOGIN, &right("ann@shop.example")).await) > 3_500);
    let metrics = [0, 1].map(|replica| stack.auth_admin(replica));
    for (replica, private) in metrics.iter().enumerate() {
        let metrics = private.get("/metrics").await.expect(200).text();
        let counted = r#"auth_throttled_total{purpose="login",limit="account"}"#;
        assert!(metrics.contains(counted), "replica {replica} turned some away:\n{metrics}");
    }
}

#[tokio::test]
async fn an_address_that_a_client_makes_up_changes_nothing() {
    let stack = Stack::with(Options::default().auth("THROTTLE_ADDRESS", "9/1h")).await;
    let client = stack.visitor();
    let names = [
        "X-Forwarded-For",
        "x_forwarded_for",
        "X.Forwarded.For",
        "Forwarded",
        "X-Real-IP",
        "X-Client-IP",
        "True-Client-IP",
        "X-Original-Forwarded-For",
        "Signature",
    ];
    let attempt = async |number: usize| {
        let made_up = format!("198.51.100.{number}");
        let request =
            client.request(Method::POST, LOGIN).json(&wrong(&format!("guess{number}@shop.example")));
        let request = names.iter().fold(request, |request, name| match *name {
            "Forwarded" => request.header(*name, format!("for={made_up}")),
            "X-Forwarded-For" => request.header(*name, format!("{made_up}, 203.0.113.{number}")),
            _ => request.header(*name, &made_up),
        });
        client.send(request).await
    };
    for number in 1..=9 {
        attempt(number).await.expect(401);
    }
    for number in 10..=12 {
        turned_away(attempt(number).await);
    }
    stranger(&stack, 1, [127, 0, 0, 9]).post(LOGIN, &wrong("guess@shop.example")).await.expect(401);
}

#[tokio::test]
async fn strangers_lock_nobody_out() {
    let options = Options::default()
        .auth("THROTTLE_ACCOUNT_ADDRESS", "5/15m")
        .auth("THROTTLE_ACCOUNT", "12/1h")
        .auth("THROTTLE_ADDRESS", "20/1h");
    let stack = Stack::with(options).await;
    let ann = stack.customer("ann").await;
    let mut tried = 0;
    for number in 2..6 {
        let stranger = stranger(&stack, usize::from(number % 2), [127, 0, 0, number]);
        while stranger.post(LOGIN, &wrong(&ann.email)).await.status == 401 {
            tried += 1;
        }
    }
    assert_eq!(tried, 12, "the account's limit");
    assert!(turned_away(stranger(&stack, 0, [127, 0, 0, 7]).post(LOGIN, &right(&ann.email)).await) > 3_500);
    stack.visitor().post(LOGIN, &right(&ann.email)).await.expect(200);

    // Nor a neighbour at her own address, with other names.
    for number in 0..20 {
        stack.visitor().post(LOGIN, &wrong(&format!("guess{number}@shop.example"))).await.expect(401);
    }
    turned_away(stack.visitor().post(LOGIN, &wrong("guess@shop.example")).await);
    stack.visitor().post(LOGIN, &right(&ann.email)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_killed_amid_guesses_gives_none_back() {
    let mut stack = Stack::with(Options::default().auth("THROTTLE_ACCOUNT", "30/1h")).await;
    stack.visitor().post("/api/auth/register", &right("ann@shop.example")).await.expect(201);
    let body = wrong("ann@shop.example");
    let mut second = stack.auth.pop().unwrap();
    let kill = async {
        eventually("the first guesses are counted", async || (failures(&stack).await > 0).then_some(()))
            .await;
        second.kill();
    };
    let (before, ()) = tokio::join!(at_once(&stack, 60, &body), kill);
    stack.auth.push(stack.new_auth(1));
    stack.ready().await;
    let after = at_once(&stack, 60, &body).await;
    let tried = |statuses: &BTreeMap<u16, usize>| statuses.get(&401).copied().unwrap_or_default();
    assert!(tried(&before) + tried(&after) <= 30, "{before:?}, then {after:?}");
    assert_eq!(failures(&stack).await, 30);
    turned_away(stack.visitor().post(LOGIN, &right("ann@shop.example")).await);
}
