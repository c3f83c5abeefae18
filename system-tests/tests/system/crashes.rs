//! Every process is killed in turn, and PostgreSQL crashes, in the middle of a load of 200 sessions: nobody is logged out,
//! nothing that was acknowledged is lost, and a gateway that lives has no other error to tell than 503. Who loses the
//! gateway itself turns to the other one, which goes on where that one was.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use system_tests::{Options, PASSWORD, Server, Stack};
use test_support::reqwest::header::RETRY_AFTER;
use test_support::reqwest::{Client, RequestBuilder, Response};
use test_support::tokio_postgres::Client as Database;

const SESSIONS: usize = 200;
/// Between two requests of one session: the machine shall have room to restart things.
const PAUSE: Duration = Duration::from_millis(400);
/// Between two blows. Eight of them make more than a minute.
const BETWEEN: Duration = Duration::from_secs(8);

/// No gateway: see [`Seen::killed`].
const NONE: usize = 2;

/// What the clients saw.
#[derive(Default)]
struct Seen {
    /// By kind of request and status; `None` is a connection that broke.
    answers: Mutex<BTreeMap<(&'static str, Option<u16>), u32>>,
    /// Connections that broke although their gateway lived, and errors without a word on when to come back.
    wrong: Mutex<Vec<String>>,
    /// The gateway that is being killed.
    killed: AtomicUsize,
}

impl Seen {
    fn count(&self, kind: &'static str, gateway: usize, answer: Option<&Response>) {
        let status = answer.map(|answer| answer.status().as_u16());
        *self.answers.lock().unwrap().entry((kind, status)).or_default() += 1;
        let wrong = match answer {
            None if self.killed.load(Ordering::SeqCst) != gateway => "a connection broke".to_owned(),
            Some(answer) if answer.status() == 503 && !answer.headers().contains_key(RETRY_AFTER) => {
                "503 without Retry-After".to_owned()
            }
            Some(answer) if !matches!(answer.status().as_u16(), 200 | 503) => answer.status().to_string(),
            _ => return,
        };
        self.wrong.lock().unwrap().push(format!("{kind}: {wrong}"));
    }
}

/// The gateway does not answer.
struct Gone;

/// A client that is no browser: it holds its refresh token itself, and tries the other gateway when one is gone.
struct Session {
    client: Client,
    gateways: [String; 2],
    turn: usize,
    refresh_token: String,
    access_token: String,
    seen: Arc<Seen>,
}

impl Session {
    async fn log_in(client: Client, gateways: [String; 2], turn: usize, seen: Arc<Seen>) -> Self {
        let credentials = json!({"email": "ann@shop.example", "password": PASSWORD, "tokenDelivery": "body"});
        let login = client.post(format!("{}/api/auth/login", gateways[turn % 2])).json(&credentials);
        let body: Value = login.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let (refresh_token, access_token) = (text("refreshToken"), text("accessToken"));
        Self { client, gateways, turn, refresh_token, access_token, seen }
    }

    /// The status's body when it was 200. `Err`: the gateway is gone.
    async fn send(
        &self,
        kind: &'static str,
        request: impl Fn(&str) -> RequestBuilder,
    ) -> Result<Option<Value>, Gone> {
        let gateway = self.turn % 2;
        let answer = request(&self.gateways[gateway]).send().await;
        self.seen.count(kind, gateway, answer.as_ref().ok());
        match answer {
            Ok(answer) if answer.status() == 200 => Ok(answer.json().await.ok()),
            Ok(_) => Ok(None),
            Err(_) => Err(Gone),
        }
    }

    async fn refresh(&mut self) -> bool {
        let token = json!({"refreshToken": self.refresh_token});
        let ask = |gateway: &str| self.client.post(format!("{gateway}/api/auth/refresh")).json(&token);
        let mut answer = self.send("refresh", ask).await;
        if answer.is_err() {
            self.turn += 1;
            let ask = |gateway: &str| self.client.post(format!("{gateway}/api/auth/refresh")).json(&token);
            answer = self.send("refresh at the other gateway", ask).await;
        }
        let Ok(Some(body)) = answer else { return false };
        body["refreshToken"].as_str().unwrap().clone_into(&mut self.refresh_token);
        body["accessToken"].as_str().unwrap().clone_into(&mut self.access_token);
        true
    }

    async fn list_orders(&mut self) {
        let ask =
            |gateway: &str| self.client.get(format!("{gateway}/api/orders")).bearer_auth(&self.access_token);
        if self.send("orders", ask).await.is_err() {
            self.turn += 1;
            let ask = |gateway: &str| {
                self.client.get(format!("{gateway}/api/orders")).bearer_auth(&self.access_token)
            };
            let _counted = self.send("orders at the other gateway", ask).await;
        }
    }

    async fn live(mut self, stopped: Arc<AtomicBool>) -> Self {
        while !stopped.load(Ordering::Relaxed) {
            self.turn += 1;
            self.refresh().await;
            self.turn += 1;
            self.list_orders().await;
            tokio::time::sleep(PAUSE).await;
        }
        self
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_nobody_is_logged_out_and_nothing_acknowledged_is_lost() {
    let mut stack = Stack::on(Server::own(&[]), Options::default()).await;
    stack.customer("ann").await;
    let client = Client::builder().no_proxy().build().unwrap();
    let seen = Arc::new(Seen { killed: AtomicUsize::new(NONE), ..Seen::default() });
    let gateways = [stack.gateway_url(0), stack.gateway_url(1)];
    let stopped = Arc::new(AtomicBool::new(false));
    let mut sessions = Vec::new();
    for turn in 0..SESSIONS {
        let session = Session::log_in(client.clone(), gateways.clone(), turn, Arc::clone(&seen)).await;
        sessions.push(tokio::spawn(session.live(Arc::clone(&stopped))));
    }

    tokio::time::sleep(BETWEEN).await;
    kill_each_in_turn(&mut stack, &seen.killed).await;
    stopped.store(true, Ordering::Relaxed);

    let database = stack.auth_database().await;
    for session in sessions {
        let mut session = session.await.unwrap();
        assert_acknowledged(&database, &session.refresh_token).await;
        assert!(session.refresh().await, "a session was lost: {:?}", seen.answers.lock().unwrap());
    }
    let (answers, wrong) = (seen.answers.lock().unwrap(), seen.wrong.lock().unwrap());
    #[expect(clippy::print_stdout, reason = "the counts are worth reading")]
    {
        println!("answers under {SESSIONS} sessions: {answers:?}");
    }
    assert!(wrong.is_empty(), "{answers:?} {wrong:?}");
    assert!(answers.contains_key(&("refresh at the other gateway", Some(200))), "{answers:?}");
}

async fn kill_each_in_turn(stack: &mut Stack, killed: &AtomicUsize) {
    for replica in 0..2 {
        stack.auth[replica].kill();
        stack.auth[replica] = stack.new_auth(replica);
        recover(stack).await;
        killed.store(replica, Ordering::SeqCst);
        stack.gateways[replica].kill();
        stack.gateways[replica] = stack.new_gateway(replica);
        recover(stack).await;
        killed.store(NONE, Ordering::SeqCst);
        stack.orders[replica].kill();
        stack.orders[replica] = stack.new_orders(replica);
        recover(stack).await;
    }
    stack.server.cluster().crash().unwrap();
    stack.server.cluster().restart().unwrap();
    recover(stack).await;
}

async fn recover(stack: &Stack) {
    stack.ready().await;
    tokio::time::sleep(BETWEEN).await;
}

/// The row is at least where the token that the client holds says it is (docs/refresh-token.md).
async fn assert_acknowledged(database: &Database, token: &str) {
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    let session: String = bytes[6..22].iter().map(|byte| format!("{byte:02x}")).collect();
    let generation = i64::from_be_bytes(bytes[22..30].try_into().unwrap());
    let query = format!("SELECT generation, ended_at IS NULL FROM sessions WHERE id = '{session}'");
    let row = database.query_one(&query, &[]).await.unwrap();
    assert!(row.get::<_, i64>(0) >= generation && row.get(1), "{session} at {generation}: {row:?}");
}
