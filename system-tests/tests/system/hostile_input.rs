//! Every body, header, cookie and path that can be wrong: a documented error, never a 500, and nothing changed.

use serde_json::{Value, json};
use system_tests::{PASSWORD, Stack};
use test_support::reqwest::Method;
use test_support::{Answer, HttpClient};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn post_raw(client: &HttpClient, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    let request = client.request(Method::POST, path).header("content-type", content_type).body(body.into());
    client.send(request).await
}

fn assert_problem(answer: &Answer, what: &str) {
    assert!(answer.status.is_client_error(), "{what}: {} {}", answer.status, answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    let body = answer.json();
    assert_eq!(body["status"], answer.status.as_u16(), "{what}");
    assert_eq!(body["requestId"].as_str(), answer.header("x-request-id"), "{what}");
    assert!(
        body["code"].is_string() && body["title"].is_string() && body["detail"].is_string(),
        "{what}: {body}"
    );
}

const BODIES: [&str; 16] = [
    "",
    "{",
    "null",
    "[]",
    "1",
    "\"text\"",
    "{}",
    "{\"email\":null}",
    "{\"email\":1,\"password\":2}",
    "{\"email\":\"a@b.example\"}",
    "{\"email\":\"a@b.example\",\"password\":{}}",
    "{\"email\":\"a\\u0000@b.example\",\"password\":\"a quite unusual password\"}",
    "{\"email\":\"a@b.example\",\"password\":\"twelve \\u0000 bytes\"}",
    "{\"email\":\"\\ud800\",\"password\":\"a quite unusual password\"}",
    "{\"email\":\"not an address\",\"password\":\"a quite unusual password\"}",
    "{\"email\":\"a@b.example\",\"email\":\"c@d.example\",\"password\":\"a quite unusual password\"}",
];

#[tokio::test]
async fn wrong_bodies_are_told_apart_and_change_nothing() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let paths = ["/api/auth/register", "/api/auth/login", "/api/auth/bootstrap", "/api/orders"];
    for path in paths {
        for body in BODIES {
            let answer = post_raw(&ann.client, path, "application/json", body).await;
            assert_problem(&answer, &format!("{path} {body}"));
        }
        let deep = format!("{{\"email\":{}", "[".repeat(5_000));
        assert_problem(&post_raw(&ann.client, path, "application/json", deep).await, path);
        let answer = post_raw(&ann.client, path, "application/json", vec![b' '; 20_000]).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "body_too_large"), "{path}");
        for content_type in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "garbage"]
        {
            let answer = post_raw(&ann.client, path, content_type, "{}").await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (415, "unsupported_media_type"),
                "{path}"
            );
        }
        assert_problem(&post_raw(&ann.client, path, "application/json", vec![0xff, 0xfe, 0x00]).await, path);
    }
    let database = stack.auth_database().await;
    let users = database.query_one("SELECT count(*) FROM users", &[]).await.unwrap();
    assert_eq!(users.get::<_, i64>(0), 1);
    assert!(ann.client.get("/api/orders").await.expect(200).json()["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn wrong_passwords_and_addresses_name_the_field() {
    let stack = Stack::start().await;
    let visitor = stack.visitor();
    let check = async |email: &str, password: &str, field: &str| {
        let body = json!({"email": email, "password": password});
        let answer = visitor.post("/api/auth/register", &body).await.expect(422);
        assert_eq!(answer.json()["errors"][0]["field"], field, "{email} {password}: {}", answer.text());
    };
    check("no-at", PASSWORD, "email").await;
    check("", PASSWORD, "email").await;
    check(&format!("{}@shop.example", "a".repeat(400)), PASSWORD, "email").await;
    check("ann@shop.example", "short", "password").await;
    check("ann@shop.example", &"x1y2".repeat(19), "password").await;
    check("ann@shop.example", "password1234", "password").await;
    check("annabella@shop.example", "annabella@shop.example", "password").await;
    // 72 bytes are the most that bcrypt looks at; 73 never match anything, at login either.
    let longest = "p".repeat(71) + "1";
    let body = |password: &str| json!({"email": "long@shop.example", "password": password});
    visitor.post("/api/auth/register", &body(&longest)).await.expect(201);
    visitor.post("/api/auth/login", &body(&longest)).await.expect(200);
    assert_eq!(
        visitor.post("/api/auth/login", &body(&(longest + "2"))).await.expect(401).code(),
        "invalid_credentials"
    );
    visitor
        .post("/api/auth/register", &json!({"email": " LONG@Shop.example ", "password": PASSWORD}))
        .await
        .expect(409);
}

#[tokio::test]
async fn orders_that_cannot_be_are_refused_by_field() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let item =
        |quantity: Value, price: Value| json!({"sku": "tea", "quantity": quantity, "unitPriceMinor": price});
    let good = item(json!(1), json!(1));
    let cases = [
        json!({"currency": "EUR", "items": []}),
        json!({"currency": "XXZ", "items": [good]}),
        json!({"currency": "eur", "items": [good]}),
        json!({"currency": "EUR", "items": vec![good.clone(); 101]}),
        json!({"currency": "EUR", "items": [item(json!(0), json!(1))]}),
        json!({"currency": "EUR", "items": [item(json!(10_001), json!(1))]}),
        json!({"currency": "EUR", "items": [item(json!(-1), json!(1))]}),
        json!({"currency": "EUR", "items": [item(json!(1.5), json!(1))]}),
        json!({"currency": "EUR", "items": [item(json!(1), json!(1_000_000_001))]}),
        json!({"currency": "EUR", "items": [item(json!(1), json!(9_223_372_036_854_775_807_i64))]}),
        json!({"currency": "EUR", "items": [{"sku": "", "quantity": 1, "unitPriceMinor": 1}]}),
        json!({"currency": "EUR", "items": [{"sku": "a\u{0}b", "quantity": 1, "unitPriceMinor": 1}]}),
    ];
    for body in cases {
        let answer = ann.client.post("/api/orders", &body).await.expect(422);
        assert_eq!(answer.code(), "invalid_fields", "{body}");
        assert!(!answer.json()["errors"].as_array().unwrap().is_empty(), "{body}");
    }
    for path in ["/api/orders/not-an-id", "/api/orders/0199c0de-0000-7000-8000-000000000001"] {
        assert_problem(&ann.client.get(path).await.expect(404), path);
    }
    for query in ["limit=0", "limit=101", "limit=x", "cursor=%00", "cursor=zzz"] {
        assert_problem(&ann.client.get(&format!("/api/orders?{query}")).await.expect(400), query);
    }
}

#[tokio::test]
async fn an_idempotency_key_makes_one_order_of_many_requests() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let order =
        |sku: &str| json!({"currency": "EUR", "items": [{"sku": sku, "quantity": 1, "unitPriceMinor": 100}]});
    let place = |sku: &str, key: &str| {
        let request =
            ann.client.request(Method::POST, "/api/orders").header("idempotency-key", key).json(&order(sku));
        ann.client.send(request)
    };
    let first = place("tea", "key-1").await.expect(201).json();
    assert_eq!(place("tea", "key-1").await.expect(201).json(), first);
    assert_eq!(place("milk", "key-1").await.expect(422).code(), "idempotency_key_reused");
    assert_ne!(place("tea", "key-2").await.expect(201).json()["id"], first["id"]);
    assert_eq!(ann.client.get("/api/orders").await.expect(200).json()["items"].as_array().unwrap().len(), 2);
    assert_problem(&place("tea", &"k".repeat(300)).await.expect(400), "a long key");
}

#[tokio::test]
async fn unknown_paths_and_methods() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    for path in [
        "/",
        "/api",
        "/api/authx",
        "/api/orders/a/b/c",
        "/api/auth/nothing",
        "/readyz",
        "/metrics",
        "/internal/revocations",
    ] {
        let answer = ann.client.get(path).await.expect(404);
        assert_problem(&answer, path);
        assert_eq!(answer.code(), "not_found", "{path}");
    }
    for (method, path) in
        [(Method::GET, "/api/auth/login"), (Method::PUT, "/api/orders"), (Method::DELETE, "/api/auth/me")]
    {
        let answer = ann.client.send(ann.client.request(method.clone(), path)).await.expect(405);
        assert_problem(&answer, path);
        assert!(answer.header("allow").is_some(), "{method} {path}");
    }
}

/// Bytes that no well-behaved client sends, straight at the gateway's socket; the status line of the answer.
async fn raw(stack: &Stack, request: &str) -> String {
    let mut stream = TcpStream::connect(stack.gateway_address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 256];
    let length = stream.read(&mut answer).await.unwrap_or(0);
    String::from_utf8_lossy(&answer[..length]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn ambiguous_requests_are_refused_at_the_door() {
    let stack = Stack::start().await;
    let check = async |request: &str, status: &str| {
        let line = raw(&stack, request).await;
        assert!(line.contains(status), "{request:?} was answered {line:?}");
    };
    let targets = [
        "/api/auth/../orders",
        "/api/auth/%2e%2e/orders",
        "/api//orders",
        "/api/orders%2f1",
        "/api/orders%5c1",
        "/api/orders%00",
        "/api/orders/%252f",
        "/api/orders/..;/x",
        "/api/orders/%zz",
        "/api/orders/%ff",
        "http://localhost/api/orders",
        "*",
    ];
    for target in targets {
        check(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"), " 400 ").await;
    }
    check("GET /api/orders HTTP/1.1\r\n\r\n", " 400 ").await;
    check("GET /api/orders HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", " 400 ").await;
    check(
        "GET /api/orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
        " 400 ",
    )
    .await;
    check("GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\nConnection: x-user-id\r\n\r\n", " 400 ").await;
    check("POST /api/auth/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", " 400 ").await;
    check("POST /api/auth/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", " 400 ")
        .await;
    check("POST /api/auth/login HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nContent-Length: 0\r\n\r\n", " 417 ")
        .await;
    check("CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", " 40").await;
    check("TRACE /api/orders HTTP/1.1\r\nHost: localhost\r\n\r\n", " 405 ").await;
    check(&format!("GET /api/orders HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(70_000)), " 431 ")
        .await;
}

#[tokio::test]
async fn no_header_or_cookie_makes_a_server_error() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let values = [
        "",
        " ",
        "a",
        "\u{7f}",
        ";;;==",
        "refresh_token",
        "refresh_token=",
        "refresh_token=\"x\"",
        &"a".repeat(4_000),
    ];
    for name in [
        "cookie",
        "origin",
        "authorization",
        "sec-fetch-site",
        "idempotency-key",
        "x-request-id",
        "accept",
        "range",
    ] {
        for value in values {
            for (method, path) in [
                (Method::POST, "/api/auth/refresh"),
                (Method::POST, "/api/auth/logout"),
                (Method::GET, "/api/orders"),
            ] {
                let client = stack.visitor();
                client.set_bearer(Some(ann.access_token()));
                let Ok(value) = test_support::reqwest::header::HeaderValue::from_bytes(value.as_bytes())
                else {
                    continue;
                };
                let answer = client.send(client.request(method.clone(), path).header(name, value)).await;
                assert!(!answer.status.is_server_error(), "{method} {path} {name}: {}", answer.text());
            }
        }
    }
}
