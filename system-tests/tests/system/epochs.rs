//! A change of role or password against everything that overlaps it, over two replicas whose clocks differ by six seconds.

use std::time::Duration;

use serde_json::{Value, json};
use system_tests::{Actor, Options, PASSWORD, Stack};
use test_support::HttpClient;
use test_support::eventually_within;
use tokio::task::JoinSet;

const RACERS: usize = 100;
const NEW_PASSWORD: &str = "quite another unusual one";

async fn skewed() -> Stack {
    Stack::with(Options { clock_skew: Some(3), ..Options::default() }).await
}

/// A hundred logins and a hundred refreshes at once; every access token and every page that came of them.
struct Racers {
    running: JoinSet<Option<(HttpClient, String)>>,
}

impl Racers {
    async fn start(stack: &Stack, email: &str) -> Self {
        let mut waiting = Vec::new();
        for _ in 0..RACERS {
            waiting.push(Actor::log_in(stack.visitor(), email).await);
        }
        let mut running = JoinSet::new();
        for actor in waiting {
            running.spawn(async move {
                let answer = actor.client.post_empty("/api/auth/refresh").await;
                token(answer.status.as_u16(), &answer.body).map(|token| (actor.client, token))
            });
            let (client, email) = (stack.visitor(), email.to_owned());
            running.spawn(async move {
                let credentials = json!({"email": email, "password": PASSWORD});
                let answer = client.post("/api/auth/login", &credentials).await;
                token(answer.status.as_u16(), &answer.body).map(|token| (client, token))
            });
        }
        Self { running }
    }

    async fn finish(self) -> Vec<(HttpClient, String)> {
        self.running.join_all().await.into_iter().flatten().collect()
    }
}

fn token(status: u16, body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).unwrap();
    match status {
        200 => Some(body["accessToken"].as_str().unwrap().to_owned()),
        401 | 503 => None,
        _ => panic!("{status}: {body}"),
    }
}

/// The role that a token claims; signatures are the gateway's business.
fn role(token: &str) -> String {
    use base64::Engine as _;
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["role"].as_str().unwrap().to_owned()
}

async fn status(stack: &Stack, gateway: usize, token: &str, path: &str) -> u16 {
    let client = HttpClient::new(stack.gateway_url(gateway));
    client.set_bearer(Some(token));
    client.get(path).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_that_overlaps_a_demotion_keeps_the_old_role() {
    let stack = skewed().await;
    let (boss, other) = (stack.admin("boss").await, stack.admin("other").await);
    let path = format!("/api/admin/users/{}", other.login["user"]["id"].as_str().unwrap());
    let racers = Racers::start(&stack, &other.email).await;
    boss.client.patch(&path, &json!({"role": "USER"})).await.expect(200);
    let answered = racers.finish().await;

    for (client, token) in &answered {
        for gateway in 0..2 {
            eventually_within(Duration::from_secs(10), "the old role is gone", async || {
                (status(&stack, gateway, token, "/api/admin/orders").await != 200).then_some(())
            })
            .await;
        }
        // A session of before is over, and one of after has the new role.
        let answer = client.post_empty("/api/auth/refresh").await;
        if let Some(fresh) = self::token(answer.status.as_u16(), &answer.body) {
            assert_eq!(role(&fresh), "USER");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_that_overlaps_a_change_of_password_survives_it() {
    let stack = skewed().await;
    let ann = stack.customer("ann").await;
    let racers = Racers::start(&stack, &ann.email).await;
    let change = json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD});
    ann.client.post("/api/auth/password", &change).await.expect(204);
    let answered = racers.finish().await;

    for (client, token) in &answered {
        client.post_empty("/api/auth/refresh").await.expect(401);
        for gateway in 0..2 {
            eventually_within(Duration::from_secs(10), "the token is refused", async || {
                (status(&stack, gateway, token, "/api/orders").await == 401).then_some(())
            })
            .await;
        }
    }
    ann.refresh().await.expect(200);
}
