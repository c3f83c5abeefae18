//! The binary: its commands, its listeners, its end.

use axum::http::Method;
use identity::Signer;
use test_support::{HttpClient, TestDatabase, TestProcess, eventually, free_port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{Who, database, key, signed, two_items};

const NAME: &str = "business-api";

struct Ports {
    public: u16,
    private: u16,
}

impl Ports {
    fn free() -> Self {
        Self { public: free_port(), private: free_port() }
    }

    fn public(&self) -> HttpClient {
        HttpClient::new(format!("http://127.0.0.1:{}", self.public))
    }

    fn private(&self) -> HttpClient {
        HttpClient::new(format!("http://127.0.0.1:{}", self.private))
    }
}

fn environment(database: &TestDatabase, ports: &Ports, mode: &str) -> Vec<(&'static str, String)> {
    vec![
        ("APP_ENV", mode.to_owned()),
        ("DATABASE_URL", database.url().to_owned()),
        ("IDENTITY_KEY", key("orders").to_base64()),
        ("LISTEN", format!("127.0.0.1:{}", ports.public)),
        ("ADMIN_LISTEN", format!("127.0.0.1:{}", ports.private)),
    ]
}

async fn ready(ports: &Ports) {
    let private = ports.private();
    eventually("the process is ready", async || {
        let answer = private.try_send(private.request(test_support::reqwest::Method::GET, "/readyz")).await;
        answer.ok().filter(|answer| answer.status == 200)
    })
    .await;
}

#[tokio::test]
async fn in_development_it_migrates_serves_and_stops() {
    let (database, ports) = (TestDatabase::empty().await, Ports::free());
    let mut process = TestProcess::start(NAME, &[], environment(&database, &ports, "development"));
    ready(&ports).await;

    let refused = ports.public().get("/api/orders").await.expect(401);
    assert_eq!(refused.code(), "identity_required");
    assert_eq!(ports.private().get("/healthz").await.status, 200);
    let metrics = ports.private().get("/metrics").await.text();
    assert!(metrics.contains("http_requests_total"), "{metrics}");
    // The public listener has no such path, and tells that only to the gateway.
    ports.public().get("/metrics").await.expect(401);

    assert!(process.stop().await.success());
    process.line_with("stopping").await;
}

#[tokio::test]
async fn in_production_it_serves_only_on_its_own_schema() {
    let (database, ports) = (TestDatabase::empty().await, Ports::free());
    let environment = || environment(&database, &ports, "production");
    let mut refused = TestProcess::start(NAME, &["serve"], environment());
    assert!(!refused.ended().await.success());
    refused.line_with("business-api migrate").await;

    let mut plan = TestProcess::start(NAME, &["migrate", "--plan"], environment());
    assert!(plan.ended().await.success());
    plan.line_with("pending: 2026-11-24-000001_orders").await;
    for line in ["applied: 2026-11-24-000001_orders", "the schema is up to date"] {
        let mut migrate = TestProcess::start(NAME, &["migrate"], environment());
        assert!(migrate.ended().await.success());
        migrate.line_with(line).await;
    }

    let mut process = TestProcess::start(NAME, &["serve"], environment());
    ready(&ports).await;
    assert!(process.stop().await.success());
}

#[tokio::test]
async fn settings_are_checked_all_at_once() {
    let (database, ports) = (database().await, Ports::free());
    let mut good = TestProcess::start(NAME, &["check-config"], environment(&database, &ports, "production"));
    assert!(good.ended().await.success());

    let mut empty = TestProcess::start(NAME, &["check-config"], []);
    assert!(!empty.ended().await.success());
    empty.line_with("DATABASE_URL is required").await;
    empty.line_with("IDENTITY_KEY is required").await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (database, ports) = (database().await, Ports::free());
    let taken = std::net::TcpListener::bind(("127.0.0.1", ports.public)).unwrap();
    let mut process = TestProcess::start(NAME, &[], environment(&database, &ports, "development"));
    assert!(!process.ended().await.success());
    process.line_with(&format!("LISTEN: cannot listen on {}", taken.local_addr().unwrap())).await;
}

#[tokio::test]
async fn a_database_that_is_away_at_the_start_is_waited_for() {
    let (database, ports) = (database().await, Ports::free());
    let mut environment = environment(&database, &ports, "production");
    environment[1].1 = format!("postgres://orders@127.0.0.1:{}/orders", free_port());
    let mut process = TestProcess::start(NAME, &[], environment);
    process.line_with("the database is away; waiting for it").await;

    assert_eq!(ports.private().get("/healthz").await.status, 200);
    let not_ready = ports.private().get("/readyz").await.expect(503);
    assert!(not_ready.text().contains("database"), "{}", not_ready.text());
    assert!(process.is_running());
    assert!(process.stop().await.success());
}

#[tokio::test]
async fn what_is_in_flight_at_the_end_is_finished() {
    let (database, ports) = (database().await, Ports::free());
    let mut process = TestProcess::start(NAME, &[], environment(&database, &ports, "production"));
    ready(&ports).await;
    let body = two_items().to_string();
    let (first, rest) = body.split_at(10);
    let mut connection = TcpStream::connect(("127.0.0.1", ports.public)).await.unwrap();
    connection.write_all(place_order_head(body.len()).as_bytes()).await.unwrap();
    // hyper says so when the handler asks for the body: now the request is in flight.
    let mut go_on = [0; 25];
    connection.read_exact(&mut go_on).await.unwrap();
    assert_eq!(go_on, *b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.write_all(first.as_bytes()).await.unwrap();

    process.terminate();
    process.line_with("draining").await;
    assert!(process.is_running());
    connection.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
    assert!(process.ended().await.success());
}

/// The request head that the gateway would send.
fn place_order_head(length: usize) -> String {
    let who = Who { id: "ann".into(), role: "USER".into(), session: "s".into() };
    let request = signed(Method::POST, "/api/orders", &who, &Signer::new("orders", &key("orders")));
    let request = request.body(()).unwrap();
    let fields =
        request.headers().iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
    let fields: String = fields.collect();
    format!(
        "POST /api/orders HTTP/1.1\r\nhost: orders\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{fields}\r\n"
    )
}
