//! What internal services ask: tokens of their own, and what others' are worth.

use access_token::Claims;
use auth_service::clients::{ClientId, ClientSecret, Scopes};
use auth_service::db::clients;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Actor, Gateway, Reply, TestApp};

const FORM: &str = "application/x-www-form-urlencoded";

/// An internal service with a client of its own.
pub(crate) struct Service {
    pub(crate) gateway: Gateway,
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Service {
    pub(crate) async fn register(app: &TestApp, id: &str, scopes: &[&str]) -> Self {
        let secret = ClientSecret::generate();
        let granted = Scopes::granted(scopes.iter().map(|scope| (*scope).to_owned())).unwrap();
        clients::create(&app.app.database, &client_id(id), secret.hash(), &granted).await.unwrap();
        Self { gateway: app.gateway.clone(), id: id.to_owned(), secret: secret.expose().to_owned() }
    }

    /// The same service, asking another replica.
    pub(crate) fn at(&self, gateway: &Gateway) -> Self {
        Self { gateway: gateway.clone(), id: self.id.clone(), secret: self.secret.clone() }
    }

    pub(crate) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.id, self.secret)))
    }

    /// Posts a form with the client's credentials in the header.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Reply {
        self.send(path, &[(AUTHORIZATION.as_str(), &self.basic()), (CONTENT_TYPE.as_str(), FORM)], form).await
    }

    /// Posts anything.
    pub(crate) async fn send(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let request =
            headers.iter().fold(Request::post(path), |request, (name, value)| request.header(*name, *value));
        self.gateway.send_unsigned(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub(crate) async fn token(&self) -> String {
        let reply = self.post("/oauth/token", "grant_type=client_credentials").await.expect(200);
        reply.text("access_token")
    }

    pub(crate) async fn introspect(&self, token: &str) -> Value {
        let reply = self.post("/oauth/introspect", &format!("token={token}")).await.expect(200);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        reply.json()
    }

    async fn is_active(&self, token: &str) -> bool {
        let answer = self.introspect(token).await;
        let active = answer["active"].as_bool().unwrap();
        assert!(active || answer == json!({"active": false}), "{answer}");
        active
    }

    async fn revoke(&self, token: &str) {
        let reply = self.post("/oauth/revoke", &format!("token={token}")).await.expect(200);
        assert!(reply.body.is_empty());
    }
}

pub(crate) fn client_id(id: &str) -> ClientId {
    id.parse().unwrap()
}

/// The reply itself, if it refuses in the words of RFC 6749.
#[track_caller]
pub(crate) fn refused(reply: Reply, status: u16, error: &str) -> Reply {
    let reply = reply.expect(status);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("pragma"), Some("no-cache"));
    assert!(reply.header("x-request-id").is_some());
    let body = reply.json();
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["error", "error_description"]);
    assert_eq!(body["error"], error, "{body}");
    // RFC 6749, section 5.2: no quotes, no backslashes, no line ends.
    let plain = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    assert!(body["error_description"].as_str().unwrap().bytes().all(plain), "{body}");
    assert_eq!(reply.header("www-authenticate").is_some(), status == 401);
    reply
}

/// A program in which somebody is logged in.
struct Program {
    actor: Actor,
    access: String,
    refresh: String,
}

impl Program {
    async fn log_in(app: &TestApp, name: &str) -> Self {
        app.registered(name).await;
        let mut actor = app.program();
        let reply = actor.log_in_for_body(name).await.expect(200);
        actor.learn_identity(&reply);
        Self { actor, access: reply.text("accessToken"), refresh: reply.text("refreshToken") }
    }

    async fn refresh(&mut self) -> Reply {
        let reply = self.actor.post("/api/auth/refresh", &json!({"refreshToken": self.refresh})).await;
        if reply.status == 200 {
            self.refresh = reply.text("refreshToken");
        }
        reply
    }
}

async fn claims(app: &TestApp, service: &Service, form: &str) -> (Reply, Claims) {
    let reply = service.post("/oauth/token", form).await.expect(200);
    let claims = app.verify(&reply.text("access_token")).await;
    (reply, claims)
}

#[tokio::test]
async fn a_client_gets_a_token_about_itself() {
    let app = TestApp::start().await;
    let billing = Service::register(&app, "billing", &["orders:read", "introspect"]).await;
    let (reply, claims) = claims(&app, &billing, "grant_type=client_credentials").await;
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let body = reply.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!((&body["expires_in"], &body["scope"]), (&json!(900), &json!("introspect orders:read")));
    assert!(claims.is_client());
    assert_eq!((claims.sub.as_str(), claims.client_id.as_str(), claims.epoch), ("billing", "billing", 0));
    assert_eq!(claims.scope.as_deref(), Some("introspect orders:read"));
    assert_eq!((claims.role, claims.email, claims.exp - claims.iat), (None, None, 900));
}

#[tokio::test]
async fn scopes_narrow_and_never_widen() {
    let app = TestApp::start().await;
    let billing = Service::register(&app, "billing", &["a", "b"]).await;
    let (reply, claims) = claims(&app, &billing, "grant_type=client_credentials&scope=b").await;
    assert_eq!((reply.text("scope").as_str(), claims.scope.as_deref()), ("b", Some("b")));
    for scope in ["c", "a+c", "A", "a++b", "%C3%A4"] {
        let form = format!("grant_type=client_credentials&scope={scope}");
        refused(billing.post("/oauth/token", &form).await, 400, "invalid_scope");
    }
    let plain = Service::register(&app, "plain", &[]).await;
    let reply = plain.post("/oauth/token", "grant_type=client_credentials").await.expect(200);
    assert_eq!(reply.json().get("scope"), None);
}

#[tokio::test]
async fn both_methods_work_and_only_one_at_a_time() {
    let app = TestApp::start().await;
    let billing = Service::register(&app, "billing", &[]).await;
    let Service { id, secret, .. } = &billing;
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let content = (CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded; charset=UTF-8");
    billing.send("/oauth/token", &[content], &form).await.expect(200);
    let basic = billing.basic();
    let both = billing.send("/oauth/token", &[content, ("authorization", &basic)], &form).await;
    refused(both, 400, "invalid_request");
    let wrong = form.replace("portcullis_cs_", "portcullis_cs_x");
    let refusal = refused(billing.send("/oauth/token", &[content], &wrong).await, 401, "invalid_client");
    assert!(refusal.header("www-authenticate").unwrap().starts_with("Basic "));
    // With the secret of another.
    let reports = Service::register(&app, "reports", &[]).await;
    let mixed = Service { id: "reports".to_owned(), ..billing.at(&app.gateway) };
    refused(mixed.post("/oauth/token", "grant_type=client_credentials").await, 401, "invalid_client");
    reports.token().await;
}

#[tokio::test]
async fn hostile_forms_are_refused_in_the_words_of_the_rfc() {
    let app = TestApp::start().await;
    let billing = Service::register(&app, "billing", &["introspect", "revoke"]).await;
    for (form, error) in [
        ("", "invalid_request"),
        ("grant_type=", "invalid_request"),
        ("grant_type=password&username=a&password=b", "unsupported_grant_type"),
        ("grant_type=authorization_code", "unsupported_grant_type"),
        ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        ("grant_type=client_credentials&scope=introspect&scope=revoke", "invalid_request"),
        ("grant_type=client_credentials&x=1&x=2", "invalid_request"),
        ("grant_type=client_credentials&%67rant_type=password", "invalid_request"),
        ("grant_type=client_credentials&scope=%00", "invalid_request"),
        ("grant_type=client_credentials&scope=%ff", "invalid_request"),
        ("grant_type=client_credentials&scope=%", "invalid_request"),
        ("grant_type=client_credentials&client_id=reports", "invalid_request"),
        ("{\"grant_type\":\"client_credentials\"}", "invalid_request"),
    ] {
        refused(billing.post("/oauth/token", form).await, 400, error);
    }
    let (form, basic) = ("grant_type=client_credentials", billing.basic());
    let content = ("content-type", FORM);
    for headers in [
        vec![("authorization", basic.as_str())],
        vec![("authorization", basic.as_str()), ("content-type", "application/json")],
        vec![("authorization", basic.as_str()), content, content],
        vec![("authorization", basic.as_str()), ("authorization", basic.as_str()), content],
    ] {
        refused(billing.send("/oauth/token", &headers, form).await, 400, "invalid_request");
    }
    let in_url = format!("/oauth/token?client_id=billing&client_secret={}", billing.secret);
    refused(billing.send(&in_url, &[content], form).await, 400, "invalid_request");
    let long = format!("{form}&x={}", "x".repeat(17 * 1024));
    refused(billing.post("/oauth/token", &long).await, 413, "invalid_request");
    for authorization in ["", "Basic", "Basic ??", "Bearer x", "Basic OjA=", "Basic AAAA", "basic Og=="] {
        let headers = [("authorization", authorization), content];
        refused(billing.send("/oauth/token", &headers, form).await, 401, "invalid_client");
    }
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        refused(billing.post(path, "").await, 400, "invalid_request");
        refused(billing.post(path, "token=a&token=b").await, 400, "invalid_request");
        refused(billing.send(path, &[content], "token=a").await, 401, "invalid_client");
    }
    let request = Request::get("/oauth/token").body(Body::empty()).unwrap();
    app.gateway.send_unsigned(request).await.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn a_users_access_token_is_active_until_its_session_ends() {
    let app = TestApp::start().await;
    let billing = Service::register(&app, "billing", &["introspect"]).await;
    let ann = Program::log_in(&app, "ann").await;
    let (access, refresh) = (ann.access.clone(), ann.refresh.clone());
    let told = billing.introspect(&access).await;
    assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("Bearer")));
    assert_eq!(
        (&told["sub"], &told["sid"]),
        (&json!(ann.actor.identity.user), &json!(ann.actor.identity.session))
    );
    assert_eq!((&told["username"], &told["role"]), (&json!("ann@example.com"), &json!("USER")));
    assert_eq!((&told["client_id"], &told["amr"]), (&json!("portcullis"), &json!(["pwd"])));
    assert_eq!(told["aud"], json!(["portcullis"]));
    let told = billing.introspect(&refresh).await;
    assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("refresh_token")));
    assert_eq!(
        (&told["sub"], &told["sid"]),
        (&json!(ann.actor.identity.user), &json!(ann.actor.identity.session))
    );
    ann.actor.post("/api/auth/logout", &json!({"refreshToken": refresh})).await.expect(204);
    assert!(!billing.is_active(&access).await && !billing.is_active(&refresh).await);
}

#[tokio::test]
async fn a_token_that_lost_its_epoch_its_account_or_its_user_is_not_active() {
    let app = TestApp::start().await;
    let billing = Service::register(&app, "billing", &["introspect"]).await;
    for (name, change) in [
        ("ann", "UPDATE users SET epoch = epoch + 1"),
        ("bob", "UPDATE users SET status = 'disabled'"),
        ("cleo", "UPDATE sessions SET expires_at = now()"),
        ("dan", "UPDATE sessions SET rotated_at = now() - interval '8 days'"),
        ("eve", "DELETE FROM users"),
    ] {
        let Program { access, refresh, .. } = Program::log_in(&app, name).await;
        assert!(billing.is_active(&access).await && billing.is_active(&refresh).await, "{name}");
        app.sql().await.batch_execute(change).await.unwrap();
        assert!(!billing.is_active(&access).await && !billing.is_active(&refresh).await, "{name}: {change}");
    }
}

#[tokio::test]
async fn asking_about_a_refresh_token_does_not_use_it() {
    let app = TestApp::start_with(&[("REFRESH_GRACE", "0s")]).await;
    let billing = Service::register(&app, "billing", &["introspect"]).await;
    let mut ann = Program::log_in(&app, "ann").await;
    let first = ann.refresh.clone();
    for _ in 0..3 {
        assert!(billing.is_active(&first).await);
    }
    ann.refresh().await.expect(200);
    let second = ann.refresh.clone();
    // The one before is worth nothing, and asking is not the theft that presenting it would be.
    assert!(!billing.is_active(&first).await && billing.is_active(&second).await);
    ann.refresh().await.expect(200);
}

#[tokio::test]
async fn garbage_is_inactive_and_never_an_error() {
    let app = TestApp::start().await;
    let billing = Service::register(&app, "billing", &["introspect", "revoke"]).await;
    let Program { access, refresh, .. } = Program::log_in(&app, "ann").await;
    let other = TestApp::start().await;
    let others = Program::log_in(&other, "ann").await.access;
    let (head, tail) = refresh.split_at(20);
    let another = if tail.starts_with('A') { 'B' } else { 'A' };
    let dotted = access.rsplit_once('.').unwrap().0;
    for garbage in [
        "x".to_owned(),
        "a.b.c".to_owned(),
        format!("{head}{another}{}", &tail[1..]),
        format!("{dotted}.AAAA"),
        format!("{dotted}."),
        others,
        billing.secret.clone(),
        "%00".replace('%', "%25"),
        "%C3%A4%F0%9F%92%A9".to_owned(),
        "x".repeat(15_000),
    ] {
        assert!(!billing.is_active(&garbage).await, "{garbage}");
        billing.revoke(&garbage).await;
    }
    let hint =
        billing.post("/oauth/introspect", &format!("token={access}&token_type_hint=refresh_token")).await;
    assert_eq!(hint.expect(200).json()["active"], true, "a hint is no more than that");
}

#[tokio::test]
async fn rotating_and_deleting_end_a_clients_tokens() {
    let app = TestApp::start().await;
    let asking = Service::register(&app, "asking", &["introspect"]).await;
    let billing = Service::register(&app, "billing", &[]).await;
    let (database, id) = (&app.app.database, client_id("billing"));
    let token = billing.token().await;
    let told = asking.introspect(&token).await;
    assert_eq!(
        (&told["active"], &told["sub"], &told["client_id"]),
        (&json!(true), &json!("billing"), &json!("billing"))
    );
    let new = ClientSecret::generate();
    clients::rotate(database, &id, new.hash(), None).await.unwrap();
    assert!(!asking.is_active(&token).await);
    refused(billing.post("/oauth/token", "grant_type=client_credentials").await, 401, "invalid_client");
    let rotated = Service { secret: new.expose().to_owned(), ..billing };
    let token = rotated.token().await;
    assert!(asking.is_active(&token).await);
    clients::delete(database, &id).await.unwrap();
    assert!(!asking.is_active(&token).await);
    refused(rotated.post("/oauth/token", "grant_type=client_credentials").await, 401, "invalid_client");
}

#[tokio::test]
async fn nothing_that_the_old_secret_is_given_outlives_it() {
    let app = TestApp::start().await;
    let billing = Service::register(&app, "billing", &[]).await;
    let (new, overlap) = (ClientSecret::generate(), std::time::Duration::from_secs(60));
    clients::rotate(&app.app.database, &client_id("billing"), new.hash(), Some(overlap)).await.unwrap();
    let lifetime = async |service: &Service| {
        let reply = service.post("/oauth/token", "grant_type=client_credentials").await.expect(200);
        let claims = app.verify(&reply.text("access_token")).await;
        assert!((claims.exp - claims.iat).abs_diff(reply.json()["expires_in"].as_i64().unwrap()) <= 1);
        claims.exp - claims.iat
    };
    assert!((30..=60).contains(&lifetime(&billing).await));
    assert_eq!(lifetime(&Service { secret: new.expose().to_owned(), ..billing }).await, 900);
}

#[tokio::test]
async fn revoking_any_token_of_a_session_ends_it_everywhere() {
    let app = TestApp::start().await;
    let billing = Service::register(&app, "billing", &["introspect", "revoke"]).await;
    for (name, of_refresh) in [("ann", true), ("bob", false)] {
        let mut person = Program::log_in(&app, name).await;
        let (access, refresh) = (person.access.clone(), person.refresh.clone());
        let claims = app.verify(&access).await;
        billing.revoke(if of_refresh { &refresh } else { &access }).await;
        assert!(!app.is_accepted(&claims).await, "the gateways are told");
        person.refresh().await.refused(401, "session_ended");
        assert!(!billing.is_active(&access).await && !billing.is_active(&refresh).await);
        let audited = app.audited("session_ended").await;
        assert_eq!(audited["detail"], json!({"reason": "logout", "byClient": "billing"}));
        assert_eq!(audited["user_id"], json!(person.actor.identity.user));
        billing.revoke(&refresh).await;
        billing.revoke(&access).await;
    }
    let own = billing.token().await;
    refused(billing.post("/oauth/revoke", &format!("token={own}")).await, 400, "unsupported_token_type");
    assert!(billing.is_active(&own).await);
}

#[tokio::test]
async fn asking_and_revoking_need_their_scopes() {
    let app = TestApp::start().await;
    let plain = Service::register(&app, "plain", &["orders:read"]).await;
    let mut ann = Program::log_in(&app, "ann").await;
    let (access, refresh) = (ann.access.clone(), ann.refresh.clone());
    for token in [access.as_str(), &refresh, "garbage"] {
        for path in ["/oauth/introspect", "/oauth/revoke"] {
            refused(plain.post(path, &format!("token={token}")).await, 403, "insufficient_scope");
        }
    }
    ann.refresh().await.expect(200);
}

#[tokio::test]
async fn the_gateways_headers_mean_nothing_here_and_a_clients_secret_nothing_there() {
    let app = TestApp::start().await;
    let billing = Service::register(&app, "billing", &[]).await;
    let headers = [("x-user-id", "client:billing"), ("x-user-role", "SERVICE"), ("content-type", FORM)];
    refused(
        billing.send("/oauth/token", &headers, "grant_type=client_credentials").await,
        401,
        "invalid_client",
    );
    let basic = billing.basic();
    for path in ["/api/auth/me", "/internal/revocations", "/api/admin/users/x/sessions"] {
        let request = Request::get(path).header("authorization", &basic).body(Body::empty()).unwrap();
        app.gateway.send_unsigned(request).await.refused(401, "identity_required");
    }
}

#[tokio::test]
async fn the_metadata_says_where_everything_is() {
    let changes = [("JWT_ISSUER", "https://shop.example"), ("INTERNAL_URL", "https://auth.internal/")];
    let app = TestApp::start_with(&changes).await;
    let request = Request::get("/.well-known/oauth-authorization-server").body(Body::empty()).unwrap();
    let reply = app.gateway.send_unsigned(request).await.expect(200);
    let told = reply.json();
    assert_eq!(told["issuer"], "https://shop.example");
    assert_eq!(told["jwks_uri"], "https://shop.example/.well-known/jwks.json");
    for (name, path) in [("token", "token"), ("introspection", "introspect"), ("revocation", "revoke")] {
        assert_eq!(told[format!("{name}_endpoint")], format!("https://auth.internal/oauth/{path}"));
        let methods = &told[format!("{name}_endpoint_auth_methods_supported")];
        assert_eq!(*methods, json!(["client_secret_basic", "client_secret_post"]));
    }
    assert_eq!(told["grant_types_supported"], json!(["client_credentials"]));
    assert_eq!(told["response_types_supported"], json!([]));
}

#[tokio::test]
async fn who_fails_too_often_is_turned_away_and_the_right_secret_never_is() {
    let app = TestApp::start_with(&[("THROTTLE_ACCOUNT_ADDRESS", "3/15m")]).await;
    let billing = Service::register(&app, "billing", &["introspect"]).await;
    for id in ["billing", "unknown"] {
        let guessing = Service { id: id.to_owned(), secret: "guess".to_owned(), ..billing.at(&app.gateway) };
        let guess = async || guessing.post("/oauth/token", "grant_type=client_credentials").await;
        for _ in 0..3 {
            refused(guess().await, 401, "invalid_client");
        }
        let reply = refused(guess().await, 429, "temporarily_unavailable");
        assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
        let elsewhere = guessing.post("/oauth/introspect", "token=x").await;
        refused(elsewhere, 429, "temporarily_unavailable");
        assert_eq!(app.audited("throttled").await["detail"]["purpose"], "client");
    }
    let token = billing.token().await;
    assert!(billing.is_active(&token).await);
}
