//! What must hold behind any proxy that asks the gateway, told once for all of them.

use identity::{Caller, Family, Refusal, RootKey, Verifier};
use serde_json::json;
use time::OffsetDateTime;

use crate::proxies::Proxy;
use crate::recorder::{Arrived, Recorder};
use crate::support::{Answer, Client, Gateway, IDENTITY_KEY, Issuer, Setup};

/// The gateway that is asked, and the upstream that is told.
pub(crate) struct World {
    pub(crate) gateway: Option<Gateway>,
    pub(crate) orders: Recorder,
    pub(crate) issuer: Issuer,
}

/// Names by which somebody might say who is calling, or what was asked for.
const CLAIMS: [&str; 12] = [
    "X-User-Id: u-eve",
    "x-user-id: u-eve",
    "X-User-Email: eve@example.com",
    "X-User-Role: ADMIN",
    "X-Session-Id: s-eve",
    "X-Request-Id: eve",
    "Signature-Input: gateway=()",
    "Signature: gateway=:AA==:",
    "X_User_Id: u-eve",
    "x_user_role: ADMIN",
    "X-Real-Ip: 192.0.2.66",
    "Forwarded: for=192.0.2.66",
];

impl World {
    pub(crate) async fn new() -> Self {
        let (orders, issuer) = (Recorder::new().await, Issuer::new().await);
        let setup = Setup {
            servers: vec![orders.server.address],
            issuer: Some(&issuer),
            top: "trusted_proxies = [\"127.0.0.1\"]",
            tables: "[verify]\nlisten = \"127.0.0.1:0\"\n\
                     [[routes]]\npath = \"/few\"\nupstream = \"orders\"\naccess = \"public\"\nmethods = [\"GET\"]\n\
                     rate = { address = \"1/h\" }",
            ..Setup::default()
        };
        let gateway = setup.start().await;
        Self { gateway: Some(gateway), orders, issuer }
    }

    fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.issuer.token())
    }

    /// Passes, and arrives once; who is calling by the signature there.
    async fn passes(&self, proxy: &Proxy, line: &str, headers: &[&str]) -> (Arrived, String) {
        let answer = ask(proxy, line, headers).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!((answer.status, &*text), (200, "seen"), "{line} {headers:?}");
        assert!(
            answer.header("x-user-id").is_none() && answer.header("signature").is_none(),
            "told the client"
        );
        let mut arrived = self.orders.take();
        assert_eq!(arrived.len(), 1, "{line}: {arrived:?}");
        let arrived = arrived.pop().unwrap();
        assert_eq!(arrived.target, line.split(' ').nth(1).unwrap());
        assert!(!arrived.headers.contains_key("authorization"), "{}", arrived.head);
        for claim in ["eve", "ADMIN", "192.0.2.66"] {
            assert!(!arrived.head.contains(claim), "{}", arrived.head);
        }
        let caller = caller(&arrived);
        assert_eq!(caller.client_address, Some([127, 0, 0, 1].into()), "{}", arrived.head);
        let user = caller.user.map_or(String::new(), |user| user.id);
        (arrived, user)
    }

    /// Is refused as the gateway would refuse it, and does not arrive.
    async fn refuses(&self, proxy: &Proxy, line: &str, headers: &[&str], status: u16, code: &str) -> Answer {
        let answer = ask(proxy, line, headers).await;
        assert_eq!(answer.status, status, "{line} {headers:?}: {answer:?}");
        answer.expect(status, code);
        let challenges = answer.headers.iter().filter(|(name, _)| name == "www-authenticate").count();
        assert_eq!(challenges, usize::from(status == 401), "{line}: {answer:?}");
        assert!(self.orders.take().is_empty(), "{line} {headers:?} arrived");
        answer
    }
}

async fn ask(proxy: &Proxy, line: &str, headers: &[&str]) -> Answer {
    Client::connect(proxy.address).await.ask(line, headers).await
}

/// Who is calling, by the gateway's signature, or why a service would believe nobody.
fn verified(arrived: &Arrived) -> Result<Caller, Refusal> {
    let root = RootKey::new(secret::parse_key(IDENTITY_KEY).unwrap());
    let verifier = Verifier::new("orders", vec![root.upstream("orders")]);
    let now = OffsetDateTime::now_utc().unix_timestamp();
    verifier.verify(&arrived.method, &arrived.uri(), &arrived.headers, now)
}

/// Fails the test when a service would not believe it.
fn caller(arrived: &Arrived) -> Caller {
    verified(arrived).unwrap_or_else(|refusal| panic!("{refusal}: {}", arrived.head))
}

/// Every case, on one proxy; stops the gateway in the end.
pub(crate) async fn all(mut world: World, proxy: &Proxy) {
    true_callers(&world, proxy).await;
    claims(&world, proxy).await;
    other_spellings(&world, proxy).await;
    targets(&world, proxy).await;
    callers_in_turn(&world, proxy).await;
    doubtful_heads(&world, proxy).await;
    heads(&world, proxy).await;
    upgrades(&world, proxy).await;
    bodies(&world, proxy).await;
    refusals(&world, proxy).await;
    without_a_gateway(&mut world, proxy).await;
}

async fn true_callers(world: &World, proxy: &Proxy) {
    let bearer = world.bearer();
    for line in ["GET /private", "GET /private/a%20b;c?x=%2F&y=1", "DELETE /optional/1"] {
        assert_eq!(world.passes(proxy, line, &[&bearer]).await.1, "u-ann");
    }
    for line in ["GET /public", "GET /optional?q"] {
        let (arrived, user) = world.passes(proxy, line, &[]).await;
        assert_eq!((&*user, arrived.values("x-user-id")), ("", vec![""]));
    }
}

/// What a client says about itself or its request is not believed, by the gateway or by the upstream.
async fn claims(world: &World, proxy: &Proxy) {
    let bearer = world.bearer();
    let claims: Vec<&str> = [&[&*bearer], &CLAIMS[..]].concat();
    assert_eq!(world.passes(proxy, "GET /private", &claims).await.1, "u-ann");
    assert_eq!(world.passes(proxy, "GET /public", &CLAIMS).await.1, "");
    let other = [
        "X-Forwarded-Method: GET",
        "X-Forwarded-Uri: /public",
        "X-Forwarded-Host: elsewhere",
        "X-Forwarded-Proto: https",
        "X-Forwarded-For: 192.0.2.66",
        "X-Original-Url: /public",
        "X-Original-Uri: /public",
        "X-Original-Method: GET",
        "X-Rewrite-Url: /public",
        "X-Http-Method-Override: GET",
    ];
    world.refuses(proxy, "POST /private", &other, 401, "unauthenticated").await;
    let (arrived, user) = world.passes(proxy, "DELETE /private", &[&[&*bearer], &other[..]].concat()).await;
    assert_eq!((&*user, arrived.values("x-forwarded-host")), ("u-ann", vec!["localhost"]));
    assert_eq!(arrived.values("x-forwarded-proto"), ["http"]);
}

/// Names that no file can list. What a proxy does not take out, the service refuses: nobody believes it.
async fn other_spellings(world: &World, proxy: &Proxy) {
    let bearer = world.bearer();
    for claim in [
        "X-User-Anything: u-eve",
        "X-User_Id: u-eve",
        "X_User-Id: u-eve",
        "X.User.Id: u-eve",
        "x.user-role: u-eve",
        "X_Session-Id: u-eve",
        "X-Forwarded-Anything: u-eve",
        "X_Forwarded_For: u-eve",
        "X-Original-Anything: u-eve",
        "Signature_Input: u-eve",
        "Connection: close, X-User-Id",
        "Connection: X-User-Id, X-User-Role, Signature, X-Forwarded-For, close",
        "Connection: Authorization, X-Forwarded-Uri, X-Forwarded-Method",
    ] {
        ask(proxy, "GET /private", &[&bearer, claim]).await;
        let arrived = world.orders.take();
        let believed: Vec<_> = arrived.iter().filter_map(|arrived| verified(arrived).ok()).collect();
        let users: Vec<_> =
            believed.iter().map(|caller| caller.user.as_ref().map(|user| &*user.id)).collect();
        assert!(users.is_empty() || users == [Some("u-ann")], "{claim}: {users:?}");
        let claimed = arrived.iter().any(|arrived| arrived.head.contains("u-eve"));
        let is_identity = identity::family(claim.split(':').next().unwrap()) == Some(Family::Identity);
        let harmless = !proxy.strips_families && (users.is_empty() || !is_identity);
        assert!(!claimed || harmless, "{claim}: {arrived:?}");
    }
}

/// What is asked about is what the upstream gets, to the letter; what could be read in two ways does not pass.
async fn targets(world: &World, proxy: &Proxy) {
    let bearer = world.bearer();
    for line in [
        "GET /private/-._~!$&'()*+,=%20:@?a=b%20c&d='()!*:@/?&e=%2e%2e/",
        "GET /private/%C3%A9?",
        "GET /private/",
        "PATCH /private?/../public",
    ] {
        assert_eq!(world.passes(proxy, line, &[&bearer]).await.1, "u-ann", "{line}");
    }
    // Without a token, so that whatever arrived would have come by the wrong route.
    for path in [
        "/public/../private",
        "/public/%2e%2e/private",
        "/public/..;/private",
        "/public/.%2e/private",
        "/public%2f..%2fprivate",
        "/public/..%5cprivate",
        "/public/%252e%252e/private",
        "//private",
        "/./private",
        "/private;x",
        "/private/%00",
        "/PRIVATE",
        "/private#/public",
        "/public#/../private",
        "/public?#/../../private",
        "http://localhost/private",
        "/verify/public",
        "/verify",
        "/.gateway/verify",
        "*",
    ] {
        let answer = ask(proxy, &format!("GET {path}"), &[]).await;
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        assert!(world.orders.take().is_empty(), "{path}");
    }
}

/// One connection of a client's, many callers: each request is answered for itself.
async fn callers_in_turn(world: &World, proxy: &Proxy) {
    let mut client = Client::connect(proxy.address).await;
    for number in 0..10 {
        let id = format!("u-{number}");
        let token = world.issuer.token_with("k1", json!({ "sub": id, "jti": id, "sid": id }));
        let bearer = format!("Authorization: Bearer {token}");
        for (line, headers, expected) in [
            ("GET /private", &[&*bearer][..], Some(&*id)),
            ("GET /private", &[], None),
            ("GET /optional", &[], Some("")),
        ] {
            let status = client.ask(line, headers).await.status;
            let callers = world.orders.take().iter().map(caller).collect::<Vec<_>>();
            let users: Vec<_> =
                callers.iter().map(|caller| caller.user.as_ref().map_or("", |user| &*user.id)).collect();
            assert_eq!(
                (status, users.first().copied()),
                (if expected.is_some() { 200 } else { 401 }, expected)
            );
        }
    }
}

/// What could be read in two ways, besides the path.
async fn doubtful_heads(world: &World, proxy: &Proxy) {
    let bearer = world.bearer();
    for head in [
        format!("GET /private HTTP/1.1\r\nHost: localhost\r\n{bearer}\r\n{bearer}\r\n\r\n"),
        format!("GET /private HTTP/1.1\r\nHost: localhost\r\nHost: elsewhere\r\n{bearer}\r\n\r\n"),
        format!("GET /private HTTP/1.1\r\n{bearer}\r\nConnection: close\r\n\r\n"),
        format!("GET /private HTTP/1.0\r\n{bearer}\r\n\r\n"),
    ] {
        let mut client = Client::connect(proxy.address).await;
        client.send(&head).await;
        let status = client.answer(false).await.status;
        assert!((400..500).contains(&status), "{status} for {head}");
        assert!(world.orders.take().is_empty(), "{head}");
    }
}

/// A refused HEAD has no body, so the connection is good for more.
async fn heads(world: &World, proxy: &Proxy) {
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask("HEAD /private", &[]).await.status, 401);
    assert_eq!(client.ask("HEAD /private", &[&world.bearer()]).await.status, 200);
    assert_eq!(client.ask("GET /public", &[]).await.status, 200);
    let arrived: Vec<_> = world.orders.take().iter().map(|arrived| arrived.method.to_string()).collect();
    assert_eq!(arrived, ["HEAD", "GET"]);
}

/// No file lets a websocket begin, and a token that came as its subprotocol goes no further.
async fn upgrades(world: &World, proxy: &Proxy) {
    let headers = [
        &*world.bearer(),
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: bearer, a-token",
    ];
    let answer = ask(proxy, "GET /private", &headers).await;
    assert!(matches!(answer.status, 200 | 403), "{answer:?}");
    for arrived in world.orders.take() {
        assert!(!arrived.headers.contains_key("upgrade"), "{}", arrived.head);
        assert!(!arrived.head.contains("a-token"), "{}", arrived.head);
        assert_eq!(caller(&arrived).user.expect("a user").id, "u-ann");
    }
}

async fn bodies(world: &World, proxy: &Proxy) {
    let head = format!("POST /private HTTP/1.1\r\nHost: localhost\r\n{}\r\n", world.bearer());
    let body = "0123456789".repeat(10_000);
    let whole = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for request in [whole, chunked] {
        let mut client = Client::connect(proxy.address).await;
        client.send(request).await;
        assert_eq!(client.answer(false).await.status, 200);
        let arrived = world.orders.take().pop().expect("a request");
        assert!(arrived.body == body.as_bytes(), "{}", arrived.head);
        assert_eq!(caller(&arrived).user.expect("a user").id, "u-ann");
    }
}

async fn refusals(world: &World, proxy: &Proxy) {
    let bearer = world.bearer();
    for (line, headers, status, code) in [
        ("GET /private", &[][..], 401, "unauthenticated"),
        ("GET /private", &["Authorization: Bearer x"], 401, "invalid_token"),
        ("GET /admin", &[&*bearer], 403, "forbidden"),
        ("GET /unknown", &[&*bearer], 404, "not_found"),
        ("GET /private%2fadmin", &[&*bearer], 400, "bad_request"),
        ("GET /private//admin", &[&*bearer], 400, "bad_request"),
    ] {
        world.refuses(proxy, line, headers, status, code).await;
    }
    let wrong = world.refuses(proxy, "POST /few", &[], 405, "method_not_allowed").await;
    assert_eq!(wrong.header("allow").map(|methods| methods.contains("GET")), Some(true));
    assert_eq!(world.passes(proxy, "GET /few", &[]).await.1, "");
    let late = world.refuses(proxy, "GET /few", &[], 429, "too_many_requests").await;
    assert!(late.header("retry-after").is_some());
}

async fn without_a_gateway(world: &mut World, proxy: &Proxy) {
    let bearer = world.bearer();
    let mut gateway = world.gateway.take().unwrap();
    gateway.begin_stop();
    gateway.stopped().await;
    for line in ["GET /public", "GET /private"] {
        let answer = ask(proxy, line, &[&bearer]).await;
        assert!((500..600).contains(&answer.status), "{line}: {answer:?}");
    }
    assert!(world.orders.take().is_empty());
}
