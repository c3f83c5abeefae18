//! The endpoint itself: who may ask what, and how each kind of decision is answered.

use gateway::config::Config;
use http::Method;
use identity::{Caller, RootKey, Verifier};
use process::Settings;
use serde_json::json;
use time::OffsetDateTime;

use crate::support::{Answer, Client, Gateway, IDENTITY_KEY, Issuer, Setup, Upstream};

const TRUSTED: &str = "trusted_proxies = [\"127.0.0.1\"]";
const VERIFY: &str = "[verify]\nlisten = \"127.0.0.1:0\"";

/// A gateway that may be asked, and whatever it needs.
struct World {
    gateway: Gateway,
    issuer: Issuer,
    orders: Upstream,
}

impl World {
    async fn new() -> Self {
        Self::with(VERIFY).await
    }

    async fn with(tables: &str) -> Self {
        let (orders, issuer) = (Upstream::telling().await, Issuer::new().await);
        let gateway = Setup { top: TRUSTED, tables, ..Setup::with(&orders, &issuer) }.start().await;
        Self { gateway, issuer, orders }
    }

    async fn client(&self) -> Client {
        Client::connect(self.gateway.verify.unwrap()).await
    }

    /// Whether this may pass, asked as most proxies do.
    async fn ask(&self, method: &str, uri: &str, headers: &[&str]) -> Answer {
        ask(&mut self.client().await, method, uri, headers).await
    }

    fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.issuer.token())
    }
}

async fn ask(client: &mut Client, method: &str, uri: &str, headers: &[&str]) -> Answer {
    let (method, uri) = (format!("X-Forwarded-Method: {method}"), format!("X-Forwarded-Uri: {uri}"));
    let question = [&method, &uri, "X-Forwarded-Host: api.example.com"];
    client.ask("GET /verify", &[&question, headers].concat()).await
}

/// Who the upstream would believe to be calling; fails the test if it would believe nobody.
#[track_caller]
fn told(answer: &Answer, method: &Method, uri: &str) -> Caller {
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let fields = answer.headers.iter().filter(|(name, _)| identity::family(name).is_some());
    let headers = fields.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let root = RootKey::new(secret::parse_key(IDENTITY_KEY).unwrap());
    let verifier = Verifier::new("orders", vec![root.upstream("orders")]);
    let now = OffsetDateTime::now_utc().unix_timestamp();
    verifier.verify(method, &uri.parse().unwrap(), &headers, now).expect("signed by the gateway")
}

fn user(caller: &Caller) -> &str {
    caller.user.as_ref().map_or("", |user| &user.id)
}

#[tokio::test]
async fn who_may_pass_is_named_and_signed_for() {
    let world = World::new().await;
    let answer = world.ask("PUT", "/private/a?b=%20", &[&world.bearer(), "X-Forwarded-Proto: https"]).await;
    let caller = told(&answer, &Method::PUT, "/private/a?b=%20");
    assert_eq!(user(&caller), "u-ann");
    assert_eq!((&*caller.host, &*caller.proto), ("api.example.com", "https"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(world.orders.seen().is_empty(), "only the proxy speaks to the upstream");
}

#[tokio::test]
async fn the_path_behind_verify_asks_too() {
    let world = World::new().await;
    let answer = world.client().await.ask("POST /verify/private?x=1", &[&world.bearer()]).await;
    let caller = told(&answer, &Method::POST, "/private?x=1");
    assert_eq!((user(&caller), &*caller.host), ("u-ann", "localhost"));
    // Its body, which stays with the proxy, is not awaited.
    let answer =
        world.client().await.ask("POST /verify/private", &[&world.bearer(), "Content-Length: 0"]).await;
    assert_eq!(user(&told(&answer, &Method::POST, "/private")), "u-ann");
}

#[tokio::test]
async fn refusals_are_those_of_proxying() {
    let world = World::new().await;
    let bearer = world.bearer();
    for (method, uri, headers, status, code) in [
        ("GET", "/private", &[][..], 401, "unauthenticated"),
        ("GET", "/private", &["Authorization: Bearer x"], 401, "invalid_token"),
        ("GET", "/optional", &["Authorization: Bearer x"], 401, "invalid_token"),
        ("GET", "/private", &[&bearer, &bearer], 400, "bad_request"),
        ("GET", "/admin", &[&bearer], 403, "forbidden"),
        ("GET", "/unknown", &[&bearer], 404, "not_found"),
        ("GET", "/private%2fadmin", &[&bearer], 400, "bad_request"),
        ("GET", "/private/../admin", &[&bearer], 400, "bad_request"),
        ("GET", "//private", &[&bearer], 400, "bad_request"),
        ("GET", "http://elsewhere/private", &[&bearer], 400, "bad_request"),
        ("GET", "/public#/../admin", &[], 400, "bad_request"),
        ("GET", "/public?a#/../../admin", &[], 400, "bad_request"),
        ("CONNECT", "/private", &[&bearer], 405, "method_not_allowed"),
    ] {
        let asked = world.ask(method, uri, headers).await;
        asked.expect(status, code);
        assert_eq!(asked.header("x-problem").unwrap().as_bytes(), asked.body, "{uri}");
        assert!(asked.header("x-user-id").is_none() && asked.header("signature").is_none(), "{uri}");
        assert_eq!(asked.header("www-authenticate").is_some(), status == 401, "{uri}");
    }
    assert!(world.gateway.ask("GET /private", &[]).await.header("x-problem").is_none(), "for proxies only");
}

#[tokio::test]
async fn nobody_is_told_as_nobody() {
    let world = World::new().await;
    for uri in ["/public", "/optional"] {
        let answer = world.ask("GET", uri, &[]).await;
        assert_eq!(user(&told(&answer, &Method::GET, uri)), "");
        for name in ["x-user-id", "x-user-email", "x-user-role", "x-session-id"] {
            assert_eq!(answer.header(name), Some(""), "{name} for {uri}");
        }
    }
}

#[tokio::test]
async fn what_the_client_claims_is_not_told() {
    let world = World::new().await;
    let spoofed =
        ["X-User-Id: u-eve", "X_User_Role: ADMIN", "Signature: x=:AA==:", "X-Original-Url: /public"];
    let answer = world.ask("GET", "/private", &[&[&*world.bearer()], &spoofed[..]].concat()).await;
    assert_eq!(user(&told(&answer, &Method::GET, "/private")), "u-ann");
    assert_eq!(answer.header("x-user-role"), Some("USER"));
    world.ask("GET", "/private", &spoofed).await.expect(401, "unauthenticated");
}

#[tokio::test]
async fn only_whole_questions_of_trusted_proxies_are_answered() {
    let world = World::new().await;
    let bearer = world.bearer();
    let mut client = world.client().await;
    let part = ["X-Forwarded-Method: GET", "X-Forwarded-Uri: /public"];
    client.ask("GET /verify", &part).await.expect(400, "bad_request");
    client.ask("GET /public", &[]).await.expect(400, "bad_request");
    let whole = [&part[..], &["X-Forwarded-Host: localhost"]].concat();
    client.ask("GET /verify*", &whole).await.expect(400, "bad_request");
    ask(&mut client, "GET", "/private", &[&bearer, "X-Forwarded-Uri: /public"])
        .await
        .expect(400, "bad_request");
    assert_eq!(ask(&mut client, "GET", "/private", &[&bearer]).await.status, 200);

    let orders = Upstream::telling().await;
    let elsewhere =
        Setup { top: "trusted_proxies = [\"192.0.2.0/24\"]", tables: VERIFY, ..Setup::of(&orders) };
    let gateway = elsewhere.start().await;
    let mut stranger = Client::connect(gateway.verify.unwrap()).await;
    ask(&mut stranger, "GET", "/public", &[]).await.expect(403, "forbidden");
}

#[tokio::test]
async fn one_connection_asks_for_many_callers() {
    let world = World::new().await;
    let mut client = world.client().await;
    for number in 0..30 {
        let id = format!("u-{number}");
        let claims = json!({ "sub": id, "sid": format!("s-{number}"), "jti": format!("j-{number}") });
        let token = world.issuer.token_with("k1", claims);
        let answer = ask(&mut client, "GET", "/private", &[&format!("Authorization: Bearer {token}")]).await;
        assert_eq!(user(&told(&answer, &Method::GET, "/private")), id);
        ask(&mut client, "GET", "/private", &[]).await.expect(401, "unauthenticated");
        let answer = ask(&mut client, "GET", "/optional", &[]).await;
        assert_eq!(user(&told(&answer, &Method::GET, "/optional")), "");
    }
}

#[tokio::test]
async fn questions_count_as_the_clients_requests() {
    let few = "[[routes]]\npath = \"/few\"\nupstream = \"orders\"\naccess = \"public\"\nrate = { address = \"1/h\" }";
    let world = World::with(&format!("{VERIFY}\n{few}")).await;
    let from =
        async |address: &str| world.ask("GET", "/few", &[&format!("X-Forwarded-For: {address}")]).await;
    assert_eq!(from("192.0.2.1").await.status, 200);
    let again = from("192.0.2.1").await;
    again.expect(429, "too_many_requests");
    assert!(again.header("retry-after").is_some());
    assert_eq!(from("192.0.2.2").await.status, 200);
}

#[tokio::test]
async fn a_file_without_the_means_is_refused() {
    let complaints = |top: &str, listen: &str| {
        let tables = format!("[verify]\nlisten = \"{listen}\"");
        let text = Setup { top, tables: &tables, ..Setup::default() }.text();
        let text = text.replace("servers = []", "servers = [\"http://127.0.0.1:1\"]");
        let text = text.replacen("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:8080\"", 1);
        let environment = [("APP_ENV", "development"), ("IDENTITY_KEY", IDENTITY_KEY)];
        Config::parse(&text, Settings::from_pairs(environment)).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(complaints(TRUSTED, "127.0.0.1:8081"), Ok(()));
    assert!(complaints("", "127.0.0.1:8081").unwrap_err().contains("[verify] needs `trusted_proxies`"));
    assert!(complaints(TRUSTED, "127.0.0.1:8080").unwrap_err().contains("another listener's"));
    assert!(complaints(TRUSTED, "nowhere").is_err());
}
