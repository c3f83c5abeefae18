//! One `Idempotency-Key`, one order.

use crate::app::{App, two_items};
use axum::body::Body;
use axum::http::Method;
use serde_json::json;

#[tokio::test]
async fn the_same_request_gets_the_same_answer() {
    let app = App::start().await;
    let ann = app.user("ann");
    let first = ann.place_with_key("k1", &two_items()).await.expect(201);
    let id = first.body["id"].as_str().unwrap();
    app.admin().set_status(id, "paid").await.expect(200);

    let again = ann.place_with_key("k1", &two_items()).await.expect(201);
    assert_eq!(again.body, first.body, "as it was placed, whatever has become of it");
    assert_eq!(again.headers["location"], first.headers["location"]);
    assert_eq!(ann.get("/api/orders").await.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused() {
    let app = App::start().await;
    let ann = app.user("ann");
    ann.place_with_key("k1", &two_items()).await.expect(201);
    let mut others = [two_items(), two_items(), two_items(), two_items()];
    others[0]["currency"] = json!("USD");
    others[1]["items"][0]["quantity"] = json!(3);
    others[2]["items"].as_array_mut().unwrap().pop();
    others[3]["items"].as_array_mut().unwrap().reverse();
    for other in others {
        ann.place_with_key("k1", &other).await.expect_problem(422, "idempotency_key_reused");
    }
    ann.place_with_key("k2", &two_items()).await.expect(201);
    ann.place_with_key("K1", &two_items()).await.expect(201);
}

#[tokio::test]
async fn keys_of_two_customers_never_meet() {
    let app = App::start().await;
    let anns = app.user("ann").place_with_key("k1", &two_items()).await.expect(201);
    let bobs = app.user("bob").place_with_key("k1", &two_items()).await.expect(201);
    assert_ne!(anns.body["id"], bobs.body["id"]);
    assert_eq!(bobs.body["customerId"], "bob");
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let app = App::start().await;
    let ann = app.user("ann");
    for wrong in ["", "a b", "\u{e9}", &"k".repeat(256)] {
        ann.place_with_key(wrong, &two_items()).await.expect_problem(400, "invalid_idempotency_key");
    }
    let twice = [("content-type", "application/json"), ("idempotency-key", "a"), ("idempotency-key", "a")];
    let answer = ann.send(Method::POST, "/api/orders", &twice, Body::from(two_items().to_string())).await;
    answer.expect_problem(400, "invalid_idempotency_key");
    assert_eq!(ann.get("/api/orders").await.body["items"], json!([]));
    ann.place_with_key(&"k".repeat(255), &two_items()).await.expect(201);
}

#[tokio::test]
async fn a_refused_order_does_not_use_its_key_up() {
    let app = App::start().await;
    let ann = app.user("ann");
    ann.place_with_key("k1", &json!({ "currency": "EUR", "items": [] }))
        .await
        .expect_problem(422, "invalid_fields");
    ann.place_with_key("k1", &two_items()).await.expect(201);
}
