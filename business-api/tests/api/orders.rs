//! What people do with orders.

use crate::app::{App, two_items};
use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_placed_order_can_be_read_back() {
    let app = App::start().await;
    let ann = app.user("ann");

    let placed = ann.post("/api/orders", &two_items()).await.expect(201);
    let order = &placed.body;
    assert_eq!(order["status"], "pending");
    assert_eq!(order["customerId"], "ann");
    assert_eq!(order["currency"], "EUR");
    assert_eq!(order["totalMinor"], 2899);
    assert_eq!(order["items"], two_items()["items"]);
    assert_eq!(order["createdAt"], order["updatedAt"]);
    assert!(order["createdAt"].as_str().unwrap().ends_with('Z'));
    let path = format!("/api/orders/{}", order["id"].as_str().unwrap());
    assert_eq!(placed.headers["location"], path.as_str());
    assert_eq!(placed.headers["x-request-id"], "r-1");

    assert_eq!(ann.get(&path).await.expect(200).body, *order);
    assert_eq!(
        ann.get("/api/orders").await.expect(200).body,
        json!({ "items": [order], "nextCursor": null })
    );
}

#[tokio::test]
async fn an_order_goes_its_way() {
    let app = App::start().await;
    let (ann, admin) = (app.user("ann"), app.admin());
    let id = ann.place().await;

    let paid = admin.set_status(&id, "paid").await.expect(200);
    assert_eq!(paid.body["status"], "paid");
    assert!(paid.body["updatedAt"].as_str() > paid.body["createdAt"].as_str());
    admin.set_status(&id, "shipped").await.expect(200);
    assert_eq!(ann.get(&format!("/api/orders/{id}")).await.body["status"], "shipped");

    ann.cancel(&id).await.expect_problem(409, "illegal_transition");
    admin.set_status(&id, "cancelled").await.expect_problem(409, "illegal_transition");
    admin.set_status(&id, "shipped").await.expect_problem(409, "illegal_transition");
    admin.set_status(&id, "pending").await.expect_problem(409, "illegal_transition");
}

#[tokio::test]
async fn a_customer_cancels_before_it_is_shipped_and_once() {
    let app = App::start().await;
    let (ann, admin) = (app.user("ann"), app.admin());
    let (pending, paid) = (ann.place().await, ann.place().await);
    admin.set_status(&paid, "paid").await.expect(200);
    for id in [pending, paid] {
        assert_eq!(ann.cancel(&id).await.expect(200).body["status"], "cancelled");
        ann.cancel(&id).await.expect_problem(409, "illegal_transition");
        admin.set_status(&id, "paid").await.expect_problem(409, "illegal_transition");
    }
}

#[tokio::test]
async fn somebody_elses_order_does_not_exist() {
    let app = App::start().await;
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    let id = ann.place().await;
    bob.get(&format!("/api/orders/{id}")).await.expect_problem(404, "not_found");
    bob.cancel(&id).await.expect_problem(404, "not_found");
    assert_eq!(bob.get("/api/orders").await.body["items"], json!([]));
    assert_eq!(ann.get(&format!("/api/orders/{id}")).await.body["status"], "pending");
}

#[tokio::test]
async fn an_internal_service_sees_all_and_is_nobodys_customer() {
    let app = App::start().await;
    let (ann, billing) = (app.user("ann"), app.client("billing"));
    let id = ann.place().await;
    assert_eq!(ids(&billing.get("/api/services/orders").await.expect(200).body), std::slice::from_ref(&id));
    for path in ["/api/orders".to_owned(), format!("/api/orders/{id}"), "/api/admin/orders".to_owned()] {
        billing.get(&path).await.expect_problem(403, "forbidden");
    }
    billing.post("/api/orders", &two_items()).await.expect_problem(403, "forbidden");
    billing.cancel(&id).await.expect_problem(403, "forbidden");
    for user in [&ann, &app.admin()] {
        user.get("/api/services/orders").await.expect_problem(403, "forbidden");
    }
    app.nobody().get("/api/services/orders").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn an_administrator_sees_and_moves_all() {
    let app = App::start().await;
    let (ann, bob, admin) = (app.user("ann"), app.user("bob"), app.admin());
    let (anns, bobs) = (ann.place().await, bob.place().await);

    let all = admin.get("/api/admin/orders").await.expect(200);
    assert_eq!(ids(&all.body), [bobs.clone(), anns.clone()]);
    admin.get(&format!("/api/orders/{anns}")).await.expect(200);
    admin.cancel(&bobs).await.expect(200);
    assert_eq!(admin.get("/api/orders").await.body["items"], json!([]), "this list is of one's own orders");
}

#[tokio::test]
async fn administration_needs_the_role() {
    let app = App::start().await;
    let id = app.user("ann").place().await;
    for (caller, status, code) in [
        (app.user("ann"), 403, "forbidden"),
        (app.client("c"), 403, "forbidden"),
        (app.nobody(), 401, "unauthenticated"),
    ] {
        caller.get("/api/admin/orders").await.expect_problem(status, code);
        let refused = caller.set_status(&id, "paid").await.expect_problem(status, code);
        assert_eq!(refused.body["detail"].as_str().unwrap().contains("ADMIN"), status == 403);
    }
    assert_eq!(app.user("ann").get(&format!("/api/orders/{id}")).await.body["status"], "pending");
}

#[tokio::test]
async fn lists_come_in_pages_newest_first() {
    let app = App::start().await;
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(ann.place().await);
        bob.place().await;
    }
    placed.reverse();

    let (mut seen, mut path) = (Vec::new(), "/api/orders?limit=2".to_owned());
    for expected in [2, 2, 1] {
        let page = ann.get(&path).await.expect(200).body;
        assert_eq!(ids(&page).len(), expected);
        seen.extend(ids(&page));
        path = format!("/api/orders?limit=2&cursor={}", page["nextCursor"].as_str().unwrap_or_default());
    }
    assert_eq!(seen, placed);
    assert!(path.ends_with("cursor="), "the last page has no next one");

    let exactly = ann.get("/api/orders?limit=5").await.body;
    assert_eq!((ids(&exactly).len(), &exactly["nextCursor"]), (5, &Value::Null));
    assert_eq!(ids(&app.admin().get("/api/admin/orders?limit=100").await.body).len(), 10);
}

#[tokio::test]
async fn a_wrong_page_is_refused() {
    let app = App::start().await;
    let ann = app.user("ann");
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=ten",
        "limit=",
        "limit=99999999999",
        "limit=1&limit=2",
        "cursor=",
        "cursor=abc",
        "cursor=%00",
        "cursor=!",
    ] {
        ann.get(&format!("/api/orders?{query}")).await.expect_problem(400, "invalid_query");
    }
    ann.get("/api/orders?unknown=1").await.expect(200);
}

#[tokio::test]
async fn a_wrong_body_is_refused_and_places_nothing() {
    let app = App::start().await;
    let ann = app.user("ann");
    let json_type = [("content-type", "application/json")];
    let post = async |headers: &[(&str, &str)], body: Vec<u8>| {
        ann.send(Method::POST, "/api/orders", headers, Body::from(body)).await
    };
    post(&json_type, b"{".to_vec()).await.expect_problem(400, "malformed_json");
    post(&json_type, b"".to_vec()).await.expect_problem(400, "malformed_json");
    post(&json_type, b"\xff".to_vec()).await.expect_problem(400, "malformed_json");
    post(&[], two_items().to_string().into()).await.expect_problem(415, "unsupported_media_type");
    post(&[("content-type", "text/plain")], two_items().to_string().into())
        .await
        .expect_problem(415, "unsupported_media_type");
    post(&json_type, vec![b' '; 16 * 1024 + 1]).await.expect_problem(413, "body_too_large");
    post(&json_type, b"[]".to_vec()).await.expect_problem(422, "invalid_fields");

    let wrong = ann
        .post(
            "/api/orders",
            &json!({ "currency": "euro", "items": [
                { "sku": "", "quantity": 0, "unitPriceMinor": -1 },
                { "sku": "ok", "quantity": 1, "unitPriceMinor": 1 },
                { "sku": "a b", "quantity": 10_001, "unitPriceMinor": i64::MAX },
            ]}),
        )
        .await
        .expect_problem(422, "invalid_fields");
    let expected = [
        "currency",
        "items[0].sku",
        "items[0].quantity",
        "items[0].unitPriceMinor",
        "items[2].sku",
        "items[2].quantity",
        "items[2].unitPriceMinor",
    ];
    assert_eq!(wrong.fields(), expected);
    assert_eq!(ann.get("/api/orders").await.body["items"], json!([]));
}

#[tokio::test]
async fn the_greatest_order_does_not_overflow() {
    let app = App::start().await;
    let item = json!({ "sku": "s".repeat(64), "quantity": 10_000, "unitPriceMinor": 1_000_000_000 });
    let body = json!({ "currency": "JPY", "items": vec![item; 100] });
    let placed = app.user("ann").post("/api/orders", &body).await.expect(201);
    assert_eq!(placed.body["totalMinor"], 1_000_000_000_000_000_i64);
}

#[tokio::test]
async fn a_patch_says_a_status_and_nothing_else() {
    let app = App::start().await;
    let id = app.user("ann").place().await;
    let admin = app.admin();
    let path = format!("/api/admin/orders/{id}");
    for (body, fields) in [
        (json!({}), vec!["status"]),
        (json!({ "status": "lost" }), vec!["status"]),
        (json!({ "status": null }), vec!["status"]),
        (json!({ "status": "paid", "total": 1 }), vec!["total"]),
    ] {
        let refused = admin.patch(&path, &body).await.expect_problem(422, "invalid_fields");
        assert_eq!(refused.fields(), fields, "{body}");
    }
    assert_eq!(admin.get(&format!("/api/orders/{id}")).await.body["status"], "pending");
}

#[tokio::test]
async fn what_is_no_order_is_not_found() {
    let app = App::start().await;
    let admin = app.admin();
    for id in ["0193567a-1c2d-7000-8000-00000000abcd", "1", "%20", "%ff", "0193567a"] {
        admin.get(&format!("/api/orders/{id}")).await.expect_problem(404, "not_found");
        admin.cancel(id).await.expect_problem(404, "not_found");
        admin.set_status(id, "paid").await.expect_problem(404, "not_found");
    }
    admin.get("/api/ordersx").await.expect_problem(404, "not_found");
    let refused = admin.send(Method::DELETE, "/api/orders", &[], Body::empty()).await;
    let refused = refused.expect_problem(405, "method_not_allowed");
    assert_eq!(refused.headers["allow"], "GET,HEAD,POST");
}

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap().to_owned()).collect()
}
