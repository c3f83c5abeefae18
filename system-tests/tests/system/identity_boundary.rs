//! What somebody inside the network can do without the gateway: nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use identity::{Message, Signer, UpstreamKey};
use secret::parse_key;
use system_tests::Stack;
use test_support::reqwest::Method;
use test_support::{Answer, HttpClient};

/// The headers that the gateway would send, signed with the key of `signer` under the name of `name`.
fn signed(method: &str, path: &str, signer: &str, name: &str, user: Option<&str>) -> Vec<(String, String)> {
    let key = UpstreamKey::new(parse_key(&Stack::identity_key(signer)).unwrap());
    let (role, session) = user.map_or(("", ""), |_| ("ADMIN", "0199c0de-0000-7000-8000-000000000001"));
    let headers = [
        ("x-request-id", "req-1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "localhost"),
        ("x-user-id", user.unwrap_or_default()),
        ("x-user-email", user.map_or("", |_| "boss@shop.example")),
        ("x-user-role", role),
        ("x-session-id", session),
    ];
    let value = |index: usize| headers[index].1.as_bytes();
    let message = Message {
        method,
        path,
        query: None,
        request_id: value(0),
        forwarded_for: value(1),
        forwarded_proto: value(2),
        forwarded_host: value(3),
        user_id: value(4),
        user_email: value(5),
        user_role: value(6),
        session_id: value(7),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let signature = Signer::new(name, &key).sign(&message, now.try_into().unwrap());
    let mut all: Vec<_> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    all.push(("signature-input".to_owned(), signature.input.to_str().unwrap().to_owned()));
    all.push(("signature".to_owned(), signature.signature.to_str().unwrap().to_owned()));
    all
}

async fn send(client: &HttpClient, path: &str, headers: &[(String, String)]) -> Answer {
    let request = client.request(Method::GET, path);
    client.send(headers.iter().fold(request, |request, (name, value)| request.header(name, value))).await
}

const BOSS: Option<&str> = Some("0199c0de-0000-7000-8000-000000000002");

#[tokio::test]
async fn forged_headers_straight_at_the_orders_api_are_refused() {
    let stack = Stack::start().await;
    let orders = stack.orders_direct();
    assert_eq!(orders.get("/api/orders").await.expect(401).code(), "identity_required");
    let genuine = signed("GET", "/api/admin/orders", "orders", "orders", BOSS);
    send(&orders, "/api/admin/orders", &genuine).await.expect(200);

    let unsigned: Vec<_> =
        genuine.iter().filter(|(name, _)| !name.starts_with("signature")).cloned().collect();
    assert_eq!(send(&orders, "/api/admin/orders", &unsigned).await.expect(401).code(), "identity_required");
    send(&orders, "/api/orders", &genuine).await.expect(401);
}

#[tokio::test]
async fn an_anonymous_signed_request_to_which_a_role_is_added_is_refused() {
    let stack = Stack::start().await;
    let orders = stack.orders_direct();
    let anonymous = signed("GET", "/api/admin/orders", "orders", "orders", None);
    assert_eq!(send(&orders, "/api/admin/orders", &anonymous).await.expect(401).code(), "unauthenticated");
    for (name, value) in
        [("x-user-role", "ADMIN"), ("x_user_role", "ADMIN"), ("X-User.Id", "1"), ("x-user-name", "a")]
    {
        let mut more = anonymous.clone();
        more.push((name.to_owned(), value.to_owned()));
        let answer = send(&orders, "/api/admin/orders", &more).await.expect(401);
        assert_eq!(answer.code(), "identity_required", "{name}");
    }
    let mut changed = anonymous;
    changed
        .iter_mut()
        .filter(|(name, _)| name == "x-user-role")
        .for_each(|(_, value)| *value = "ADMIN".into());
    assert_eq!(send(&orders, "/api/admin/orders", &changed).await.expect(401).code(), "identity_required");
}

#[tokio::test]
async fn the_key_of_the_orders_api_cannot_sign_for_the_auth_service() {
    let stack = Stack::start().await;
    let auth = stack.auth_direct(0);
    for name in ["orders", "auth"] {
        let forged = signed("GET", "/api/auth/me", "orders", name, BOSS);
        assert_eq!(
            send(&auth, "/api/auth/me", &forged).await.expect(401).code(),
            "identity_required",
            "{name}"
        );
    }
    let genuine = signed("GET", "/api/auth/me", "auth", "auth", None);
    assert_eq!(send(&auth, "/api/auth/me", &genuine).await.expect(401).code(), "unauthenticated");
}

#[tokio::test]
async fn headers_that_a_client_sends_to_the_gateway_count_for_nothing() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let spellings = ["x-user-role", "X_User_Role", "x-user.role", "X-USER-ROLE", "x-user-id", "x-session-id"];
    for name in spellings {
        let request = ann.client.request(Method::GET, "/api/admin/orders").header(name, "ADMIN");
        ann.client.send(request).await.expect(403);
        let request = ann.client.request(Method::GET, "/api/auth/me").header(name, "ADMIN");
        let me = ann.client.send(request).await.expect(200).json();
        assert_eq!(me["user"], ann.login["user"], "{name}");
    }
}
