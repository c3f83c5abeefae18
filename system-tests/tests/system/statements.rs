//! How many statements each flow costs, by PostgreSQL's own log, and that a refresh leaves no garbage in the indexes.

use serde_json::json;
use system_tests::{Options, PASSWORD, Server, Stack};
use test_support::{Answer, eventually};

use crate::clients::Service;

/// Each statement executed; parse, bind and execute of the extended protocol are one line each at this setting.
const LOGGED: [(&str, &str); 3] =
    [("log_min_duration_statement", "0"), ("log_line_prefix", "%d "), ("log_checkpoints", "off")];

/// The lines that the auth database logs while `flow` runs: executed statements, and parses (a further round trip).
async fn count(stack: &Stack, flow: impl Future<Output = Answer>) -> (Vec<String>, usize) {
    // A statement of ours as a mark: what comes after it belongs to the flow.
    let mark = format!("mark {:?}", std::time::Instant::now());
    let database = stack.auth_database().await;
    database.simple_query(&format!("SELECT '{mark}'")).await.unwrap();
    eventually("the mark is in the log", async || stack.server.log().contains(&mark).then_some(())).await;
    let _ = flow.await;
    let end = format!("{mark} end");
    database.simple_query(&format!("SELECT '{end}'")).await.unwrap();
    eventually("the end is in the log", async || stack.server.log().contains(&end).then_some(())).await;
    let log = stack.server.log();
    let (from, to) = (log.find(&mark).unwrap(), log.find(&end).unwrap());
    let lines = log[from..to].lines().filter(|line| line.starts_with("auth "));
    let (mut executed, mut parsed) = (Vec::new(), 0);
    for line in lines.filter(|line| !line.contains("SELECT '") && !background(line)) {
        if line.contains(" execute ") || line.contains(" statement: ") {
            executed.push(line.to_owned());
        }
        parsed += usize::from(line.contains(" parse "));
    }
    (executed, parsed)
}

/// Jobs and readiness look at the database by themselves, at times of their own: keys, the schema, the feed (which reads every
/// second, and after a commit tells the other replicas), the purge.
fn background(line: &str) -> bool {
    [
        "signing_keys",
        "clock_timestamp()",
        "__diesel_schema_migrations",
        "given (after, beyond)",
        "pg_notify",
        "pg_try_advisory_lock",
    ]
    .iter()
    .any(|text| line.contains(text))
}

#[tokio::test]
async fn each_flow_costs_what_the_design_allows() {
    let stack = Stack::on(
        Server::own(&LOGGED),
        Options::default().auth("REFRESH_GRACE", "0s").auth("DATABASE_POOL", "1"),
    )
    .await;
    let ann = stack.customer("ann").await;
    let credentials = json!({"email": ann.email, "password": PASSWORD});
    let login = || ann.client.post("/api/auth/login", &credentials);
    // Both replicas, warm: each statement has been prepared on each one's connection.
    for _ in 0..4 {
        login().await.expect(200);
    }
    for _ in 0..4 {
        ann.refresh().await.expect(200);
    }
    let (executed, _) = count(&stack, login()).await;
    assert!(executed.len() <= 2, "login: {executed:#?}");
    for _ in 0..4 {
        let (executed, parsed) = count(&stack, ann.refresh()).await;
        assert_eq!((executed.len(), parsed), (1, 0), "refresh: {executed:#?}");
    }
    let (executed, _) = count(&stack, ann.client.get("/api/auth/me")).await;
    assert!(executed.len() <= 1, "me: {executed:#?}");
    let good = ann.refresh_token();
    let (head, tail) = good.split_at(good.len() / 2);
    let other = if tail.starts_with('A') { 'B' } else { 'A' };
    ann.present(&format!("{head}{other}{}", &tail[1..]));
    let (executed, _) = count(&stack, ann.refresh()).await;
    assert_eq!(executed.len(), 0, "garbled: {executed:#?}");
    ann.present(&good);
    let (executed, _) = count(&stack, ann.client.post_empty("/api/auth/logout")).await;
    assert_eq!(executed.len(), 1, "logout: {executed:#?}");
}

#[tokio::test]
async fn clients_cost_one_statement_each_time_they_ask() {
    let stack = Stack::on(Server::own(&LOGGED), Options::default().auth("DATABASE_POOL", "1")).await;
    let billing = Service::create(&stack, "billing", &["introspect", "revoke"]);
    let ann = stack.customer("ann").await;
    let auth = stack.auth_direct(0);
    let token = billing.token(&auth).await;
    let form = format!("token={}", ann.access_token());
    let introspect = async || billing.post(&auth, "/oauth/introspect", &form).await.expect(200);
    introspect().await;
    for what in ["token", "introspect"] {
        let flow = async {
            match what {
                "token" => billing.ask_token(&auth).await.expect(200),
                _ => introspect().await,
            }
        };
        let (executed, parsed) = count(&stack, flow).await;
        assert_eq!((executed.len(), parsed), (1, 0), "{what}: {executed:#?}");
    }
    let (executed, _) =
        count(&stack, billing.post(&auth, "/oauth/introspect", &format!("token={token}"))).await;
    assert_eq!(executed.len(), 1, "introspect a client's: {executed:#?}");
    let (executed, _) = count(&stack, billing.post(&auth, "/oauth/revoke", "token=garbage")).await;
    assert_eq!(executed.len(), 1, "revoke garbage: {executed:#?}");
    let (executed, _) = count(&stack, billing.post(&auth, "/oauth/revoke", &form)).await;
    assert_eq!(executed.len(), 2, "revoke: {executed:#?}");
}

#[tokio::test]
async fn refreshes_are_heap_only_updates() {
    // On a server of its own: a long transaction in any database (another test's CREATE DATABASE) keeps PostgreSQL from
    // pruning, and a page that cannot be pruned fills up.
    let stack = Stack::on(Server::own(&[]), Options::default().auth("REFRESH_GRACE", "0s")).await;
    let mut actors = Vec::new();
    for index in 0..20 {
        actors.push(stack.customer(&format!("customer{index}")).await);
    }
    for _ in 0..50 {
        for actor in &actors {
            actor.refresh().await.expect(200);
        }
    }
    let database = stack.auth_database().await;
    let statistics = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sessions'";
    let (updates, hot) = eventually("the statistics have arrived", async || {
        let row = database.query_one(statistics, &[]).await.unwrap();
        let (updates, hot): (i64, i64) = (row.get(0), row.get(1));
        (updates >= 1_000).then_some((updates, hot))
    })
    .await;
    assert!(hot * 100 >= updates * 99, "{hot} of {updates} updates were HOT");
    let sessions = database.query_one("SELECT count(*) FROM sessions", &[]).await.unwrap();
    assert_eq!(sessions.get::<_, i64>(0), 20, "a refresh leaves no row behind");
}
