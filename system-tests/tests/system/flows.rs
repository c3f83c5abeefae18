//! What people do: register, log in, order, refresh, log out.

use serde_json::json;
use system_tests::{ORIGIN, PASSWORD, Stack};

#[tokio::test]
async fn a_customer_logs_in_orders_refreshes_and_logs_out() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    assert_eq!(ann.login["tokenType"], "Bearer");
    assert_eq!(ann.login["expiresIn"], 900);
    assert_eq!(ann.login["user"]["email"], "ann@shop.example");
    assert_eq!(ann.login["user"]["role"], "USER");

    let me = ann.client.get("/api/auth/me").await.expect(200).json();
    assert_eq!(me["user"], ann.login["user"]);

    let order = ann.place_order("tea").await;
    assert_eq!(order["totalMinor"], 2_500);
    let list = ann.client.get("/api/orders").await.expect(200).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["id"], order["id"]);

    let refreshed = ann.refresh().await.expect(200);
    assert_eq!(refreshed.header("cache-control"), Some("no-store"));
    let token = refreshed.json()["accessToken"].as_str().unwrap().to_owned();
    ann.client.set_bearer(Some(&token));
    ann.client.get("/api/orders").await.expect(200);

    let last = ann.refresh_token();
    let out = ann.client.post_empty("/api/auth/logout").await.expect(204);
    assert!(out.set_cookies().iter().any(|cookie| cookie.name == "refresh_token" && cookie.value.is_empty()));
    assert_eq!(ann.refresh().await.expect(401).code(), "missing_token");
    ann.present(&last);
    assert_eq!(ann.refresh().await.expect(401).code(), "session_ended");
    ann.client.post_empty("/api/auth/logout").await.expect(204);
}

#[tokio::test]
async fn a_user_on_an_administrators_route_is_refused_and_an_administrator_is_not() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let order = ann.place_order("tea").await;
    let path = format!("/api/admin/orders/{}", order["id"].as_str().unwrap());
    let refused = ann.client.get("/api/admin/orders").await.expect(403);
    assert_eq!(refused.code(), "forbidden");
    assert!(refused.text().contains("ADMIN"), "403 says which role was needed: {}", refused.text());
    ann.client.patch(&path, &json!({"status": "paid"})).await.expect(403);

    let boss = stack.admin("boss").await;
    let all = boss.client.get("/api/admin/orders").await.expect(200).json();
    assert_eq!(all["items"][0]["id"], order["id"]);
    assert_eq!(
        boss.client.patch(&path, &json!({"status": "paid"})).await.expect(200).json()["status"],
        "paid"
    );
    boss.client.patch(&path, &json!({"status": "pending"})).await.expect(409);
}

#[tokio::test]
async fn an_order_is_its_owners_alone() {
    let stack = Stack::start().await;
    let (ann, bob) = (stack.customer("ann").await, stack.customer("bob").await);
    let order = ann.place_order("tea").await;
    let path = format!("/api/orders/{}", order["id"].as_str().unwrap());
    bob.client.get(&path).await.expect(404);
    bob.client.post_empty(&format!("{path}/cancel")).await.expect(404);
    assert!(bob.client.get("/api/orders").await.expect(200).json()["items"].as_array().unwrap().is_empty());
    assert_eq!(
        ann.client.post_empty(&format!("{path}/cancel")).await.expect(200).json()["status"],
        "cancelled"
    );
}

#[tokio::test]
async fn a_client_that_is_no_browser_gets_its_refresh_token_in_the_body() {
    let stack = Stack::start().await;
    stack.customer("ann").await;
    let script = test_support::HttpClient::new(stack.url());
    let credentials = json!({"email": "ann@shop.example", "password": PASSWORD, "tokenDelivery": "body"});
    let login = script.post("/api/auth/login", &credentials).await.expect(200);
    assert!(login.set_cookies().is_empty());
    let token = login.json()["refreshToken"].as_str().unwrap().to_owned();
    let refreshed = script.post("/api/auth/refresh", &json!({"refreshToken": token})).await.expect(200);
    assert!(refreshed.set_cookies().is_empty());
    let next = refreshed.json()["refreshToken"].as_str().unwrap().to_owned();
    assert_ne!(next, token);

    // A page may not ask for it, and a token of one delivery is none of the other.
    let refused = stack.visitor().post("/api/auth/login", &credentials).await.expect(403);
    assert_eq!(refused.code(), "body_delivery_refused");
    let page = stack.visitor();
    page.store_cookie(&format!("refresh_token={next}; Path=/api/auth"));
    assert_eq!(page.post_empty("/api/auth/refresh").await.expect(401).code(), "invalid_token");

    script.post("/api/auth/logout", &json!({"refreshToken": next})).await.expect(204);
    let ended = script.post("/api/auth/refresh", &json!({"refreshToken": next})).await.expect(401);
    assert_eq!(ended.code(), "session_ended");
}

#[tokio::test]
async fn a_page_of_another_origin_gets_nowhere() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let token = ann.refresh_token();

    let evil = test_support::HttpClient::new(stack.url()).origin("http://evil.example");
    evil.store_cookie(&format!("refresh_token={token}; Path=/api/auth"));
    let refused = evil.post_empty("/api/auth/refresh").await.expect(403);
    assert_eq!(refused.code(), "origin_required");
    assert_eq!(refused.header("access-control-allow-origin"), None);
    evil.post("/api/auth/login", &json!({"email": ann.email, "password": PASSWORD})).await.expect(403);

    let silent = test_support::HttpClient::new(stack.url());
    silent.store_cookie(&format!("refresh_token={token}; Path=/api/auth"));
    assert_eq!(silent.post_empty("/api/auth/refresh").await.expect(403).code(), "origin_required");
    silent.post_empty("/api/auth/logout").await.expect(403);

    let answer = ann.refresh().await.expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_gateway_before_any_token_is_asked_for() {
    use test_support::reqwest::Method;
    let stack = Stack::start().await;
    let page = stack.visitor();
    let preflight = page
        .request(Method::OPTIONS, "/api/orders")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,idempotency-key");
    let answer = page.send(preflight).await.expect(204);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    let allowed = answer.header("access-control-allow-headers").unwrap().to_lowercase();
    for name in ["authorization", "content-type", "idempotency-key"] {
        assert!(allowed.contains(name), "{allowed}");
    }
    let error = page.get("/api/orders").await.expect(401);
    assert_eq!(error.header("access-control-allow-origin"), Some(ORIGIN), "errors are readable too");
}
