//! The router in process on a database of the test's own, and people who call it through a stand-in for the gateway.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use api_contract::Contract;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use business_api::db::{MIGRATIONS, Orders};
use business_api::http::document::document;
use business_api::routes;
use database::{Database, Url, migrations};
use http_api::HttpMetrics;
use http_body_util::BodyExt as _;
use identity::{Message, RootKey, Signer, UpstreamKey, Verifier, names};
use prometheus_client::registry::Registry;
use secret::Secret;
use serde_json::{Value, json};
use test_support::TestDatabase;
use tower::ServiceExt as _;

/// What the service says of itself: every answer is held to it.
static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::new([document()]));

/// A service on its own database.
pub(crate) struct App {
    router: Router,
    pub(crate) database: TestDatabase,
}

/// Somebody who calls, as the gateway introduces them.
#[derive(Clone)]
pub(crate) struct Caller {
    router: Router,
    pub(crate) who: Who,
}

/// What the gateway says about a caller.
#[derive(Clone)]
pub(crate) struct Who {
    pub(crate) id: String,
    pub(crate) role: String,
    pub(crate) session: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// The key of an upstream, as the gateway derives it.
pub(crate) fn key(upstream: &str) -> UpstreamKey {
    RootKey::new(Secret::new((0..32_u8).map(|byte| byte.wrapping_mul(11)).collect())).upstream(upstream)
}

/// The router on a database at `url`.
pub(crate) fn router(url: &str) -> Router {
    let database = Database::new(&url.parse().unwrap(), 8).unwrap();
    let metrics = HttpMetrics::register(&mut Registry::default());
    routes::router(Orders::new(database), Verifier::new("orders", vec![key("orders")]), metrics)
}

/// A migrated database.
pub(crate) async fn database() -> TestDatabase {
    TestDatabase::create("orders", async |url| {
        migrations::run(&url.parse::<Url>()?, MIGRATIONS).await?;
        Ok(())
    })
    .await
}

impl App {
    pub(crate) async fn start() -> Self {
        let database = database().await;
        Self { router: router(database.url()), database }
    }

    pub(crate) fn user(&self, name: &str) -> Caller {
        self.caller(name, "USER", "s1")
    }

    pub(crate) fn admin(&self) -> Caller {
        self.caller("root", "ADMIN", "s2")
    }

    pub(crate) fn client(&self, id: &str) -> Caller {
        self.caller(&format!("client:{id}"), "SERVICE", "")
    }

    pub(crate) fn nobody(&self) -> Caller {
        self.caller("", "", "")
    }

    fn caller(&self, id: &str, role: &str, session: &str) -> Caller {
        let who = Who { id: id.to_owned(), role: role.to_owned(), session: session.to_owned() };
        Caller::at(self.router.clone(), who)
    }

    /// Sends anything, signed or not.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.router, request).await
    }
}

impl Caller {
    /// Somebody who calls a replica.
    pub(crate) fn at(router: Router, who: Who) -> Self {
        Self { router, who }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string().into()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, &[("content-type", "application/json")], body.to_string().into()).await
    }

    /// Places an order under a key.
    pub(crate) async fn place_with_key(&self, key: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        self.send(Method::POST, "/api/orders", &headers, body.to_string().into()).await
    }

    /// Places an order and gives its id.
    pub(crate) async fn place(&self) -> String {
        let answer = self.post("/api/orders", &two_items()).await.expect(201);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn cancel(&self, id: &str) -> Answer {
        self.send(Method::POST, &format!("/api/orders/{id}/cancel"), &[], Body::empty()).await
    }

    pub(crate) async fn set_status(&self, id: &str, status: &str) -> Answer {
        self.patch(&format!("/api/admin/orders/{id}"), &json!({ "status": status })).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Answer {
        let mut request = signed(method, path, &self.who, &Signer::new("orders", &key("orders")));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(&self.router, request.body(body).unwrap()).await
    }
}

impl Answer {
    /// The answer itself if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    /// Fails unless it is a problem with this status and code.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status.as_u16(), &self.body["code"]), (status, &json!(code)), "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        self
    }

    /// The fields that a 422 names.
    pub(crate) fn fields(&self) -> Vec<&str> {
        self.body["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect()
    }
}

/// A good order: 2 × 12.50 and 1 × 3.99.
pub(crate) fn two_items() -> Value {
    json!({
        "currency": "EUR",
        "items": [
            { "sku": "cup", "quantity": 2, "unitPriceMinor": 1250 },
            { "sku": "tea", "quantity": 1, "unitPriceMinor": 399 },
        ],
    })
}

/// A request as the gateway forwards it.
pub(crate) fn signed(method: Method, path: &str, who: &Who, signer: &Signer) -> axum::http::request::Builder {
    let target: Uri = path.parse().unwrap();
    let message = Message {
        method: method.as_str(),
        path: target.path(),
        query: target.query(),
        request_id: b"r-1",
        forwarded_for: b"203.0.113.9",
        forwarded_proto: b"https",
        forwarded_host: b"shop.example",
        user_id: who.id.as_bytes(),
        user_email: b"",
        user_role: who.role.as_bytes(),
        session_id: who.session.as_bytes(),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let signature = signer.sign(&message, i64::try_from(now).unwrap());
    Request::builder()
        .method(method)
        .uri(path)
        .header(&names::REQUEST_ID, "r-1")
        .header(&names::FORWARDED_FOR, "203.0.113.9")
        .header(&names::FORWARDED_PROTO, "https")
        .header(&names::FORWARDED_HOST, "shop.example")
        .header(&names::USER_ID, &who.id)
        .header(&names::USER_EMAIL, "")
        .header(&names::USER_ROLE, &who.role)
        .header(&names::SESSION_ID, &who.session)
        .header(&names::SIGNATURE_INPUT, signature.input)
        .header(&names::SIGNATURE, signature.signature)
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let (status, headers) = (parts.status, &parts.headers);
    CONTRACT.uphold(&api_contract::Answer {
        method: &method,
        path: &path,
        status,
        headers,
        body: Some(&body),
    });
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Answer { status: parts.status, headers: parts.headers, body }
}
