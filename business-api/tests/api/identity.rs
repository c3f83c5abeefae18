//! Whom the service believes: the gateway, for this service, just now.

use crate::app::{App, Who, key, signed, two_items};
use axum::body::Body;
use axum::http::{Method, Request};
use identity::{Signer, names};

const EVERY_ROUTE: [(&str, &str); 7] = [
    ("GET", "/api/orders"),
    ("POST", "/api/orders"),
    ("GET", "/api/orders/0193567a-1c2d-7000-8000-00000000abcd"),
    ("POST", "/api/orders/0193567a-1c2d-7000-8000-00000000abcd/cancel"),
    ("GET", "/api/admin/orders"),
    ("GET", "/api/services/orders"),
    ("PATCH", "/api/admin/orders/0193567a-1c2d-7000-8000-00000000abcd"),
];

fn who(id: &str, role: &str, session: &str) -> Who {
    Who { id: id.to_owned(), role: role.to_owned(), session: session.to_owned() }
}

async fn refused(app: &App, request: Request<Body>) {
    let answer = app.send(request).await.expect_problem(401, "identity_required");
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    assert_ne!(answer.body["requestId"], "");
}

#[tokio::test]
async fn forged_headers_straight_at_the_service_are_refused() {
    let app = App::start().await;
    for (method, path) in EVERY_ROUTE {
        refused(&app, Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await;
        let forged = Request::builder().method(method).uri(path);
        let forged =
            forged.header("x-user-id", "root").header("x-user-role", "ADMIN").header("x-session-id", "s");
        refused(&app, forged.header("signature", "gateway=:AAAA:").body(Body::empty()).unwrap()).await;
    }
}

#[tokio::test]
async fn an_anonymous_signed_request_gets_nowhere_and_cannot_be_added_to() {
    let app = App::start().await;
    let signer = Signer::new("orders", &key("orders"));
    let anonymous = |method: &str, path| signed(method.parse().unwrap(), path, &who("", "", ""), &signer);
    for (method, path) in EVERY_ROUTE {
        let answer = app.send(anonymous(method, path).body(Body::empty()).unwrap()).await;
        answer.expect_problem(401, "unauthenticated");
        for name in ["x-user-id", "x-user-role", "x_user_role", "x.user.role", "x-user-name", "x_session_id"]
        {
            refused(&app, anonymous(method, path).header(name, "ADMIN").body(Body::empty()).unwrap()).await;
        }
        let mut replaced = anonymous(method, path).body(Body::empty()).unwrap();
        replaced.headers_mut().insert(&names::USER_ID, "root".parse().unwrap());
        replaced.headers_mut().insert(&names::USER_ROLE, "ADMIN".parse().unwrap());
        replaced.headers_mut().insert(&names::SESSION_ID, "s".parse().unwrap());
        refused(&app, replaced).await;
    }
}

#[tokio::test]
async fn another_services_key_is_refused() {
    let app = App::start().await;
    let root = who("root", "ADMIN", "s");
    for signer in [
        Signer::new("auth", &key("auth")),
        Signer::new("orders", &key("auth")),
        Signer::new("auth", &key("orders")),
    ] {
        refused(&app, signed(Method::GET, "/api/admin/orders", &root, &signer).body(Body::empty()).unwrap())
            .await;
    }
}

#[tokio::test]
async fn a_signature_for_one_request_is_none_for_another() {
    let app = App::start().await;
    let signer = Signer::new("orders", &key("orders"));
    let ann = who("ann", "USER", "s");
    let sent = |path: &'static str| {
        let mut request =
            signed(Method::GET, "/api/orders?limit=1", &ann, &signer).body(Body::empty()).unwrap();
        *request.uri_mut() = path.parse().unwrap();
        request
    };
    app.send(sent("/api/orders?limit=1")).await.expect(200);
    refused(&app, sent("/api/orders?limit=2")).await;
    refused(&app, sent("/api/orders")).await;
    refused(&app, sent("/api/admin/orders?limit=1")).await;
    let mut posted = sent("/api/orders?limit=1");
    *posted.method_mut() = Method::POST;
    *posted.body_mut() = Body::from(two_items().to_string());
    refused(&app, posted).await;
}
