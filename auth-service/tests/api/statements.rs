//! How often the database is asked, counted on the wire.

use std::collections::BTreeMap;

use auth_service::accounts::Email;
use auth_service::db::mail_tokens;
use auth_service::mail::MailToken;
use axum::body::Body;
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use serde_json::json;

use crate::oauth::Service;
use crate::support::{
    Actor, Authenticator, PASSWORD, PostgresProxy, Reply, TestApp, email_of, migrated_database,
};

/// The service behind a counter, warm: connected, keys loaded, statements prepared.
async fn counted() -> (TestApp, PostgresProxy) {
    let database = migrated_database().await;
    let proxy = PostgresProxy::start(database.url()).await;
    // One connection, so that each statement is prepared once.
    let app = TestApp::start_on(database, proxy.url(), &[("DATABASE_POOL", "1")]).await;
    let mut ann = app.customer("ann").await;
    ann.refresh().await.expect(200);
    ann.get("/api/auth/me").await.expect(200);
    ann.get("/api/auth/sessions").await.expect(200);
    ann.delete(&format!("/api/auth/sessions/{}", ann.identity.session)).await.expect(204);
    ann.log_in("ann").await.expect(200);
    ann.log_out().await.expect(204);
    (app, proxy)
}

#[tokio::test]
async fn each_request_asks_as_little_as_it_can() {
    let (app, proxy) = counted().await;
    let mut before = proxy.statements();
    let mut asked = || {
        let now = proxy.statements();
        now - std::mem::replace(&mut before, now)
    };
    let mut ann = app.visitor();
    ann.log_in("ann").await.expect(200);
    assert_eq!(asked(), 2, "a login");
    ann.refresh().await.expect(200);
    assert_eq!(asked(), 1, "a refresh that rotates");
    ann.refresh().await.expect(200);
    assert_eq!(asked(), 1, "a refresh that repeats");
    ann.get("/api/auth/me").await.expect(200);
    assert_eq!(asked(), 1, "/me");
    ann.get("/api/auth/sessions").await.expect(200);
    assert_eq!(asked(), 1, "a list of sessions");
    let mut other = app.visitor();
    other.log_in("ann").await.expect(200);
    asked();
    ann.delete(&format!("/api/auth/sessions/{}", other.identity.session)).await.expect(204);
    assert_eq!(asked(), 1, "a session ended from another");
    let mut copy = ann.clone();
    ann.log_out().await.expect(204);
    assert_eq!(asked(), 1, "a logout");
    copy.refresh().await.refused(401, "session_ended");
    assert_eq!(asked(), 1, "a refresh of an ended session");
}

#[tokio::test]
async fn what_an_administrator_reads_is_asked_for_once() {
    let (app, proxy) = counted().await;
    let root = app.admin("root").await;
    let shown = format!("/api/admin/users/{}", root.identity.user);
    for path in
        ["/api/admin/users", "/api/admin/users?q=@exam&role=USER", &shown, "/api/admin/audit?kind=login"]
    {
        // Prepared once for the connection.
        root.get(path).await.expect(200);
        let before = proxy.statements();
        root.get(path).await.expect(200);
        assert_eq!(proxy.statements() - before, 1, "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_right_is_not_asked_about() {
    let (app, proxy) = counted().await;
    let before = proxy.statements();
    let mut visitor = app.visitor();
    visitor.refresh().await.refused(401, "missing_token");
    visitor.log_out().await.expect(204);
    visitor.set_cookie("garbled");
    visitor.refresh().await.refused(401, "invalid_token");
    visitor.on_page(None).refresh().await.refused(403, "origin_required");
    visitor.log_out().await.expect(204);
    app.program()
        .post("/api/auth/login", &json!({"email": "ann", "password": "x"}))
        .await
        .refused(422, "invalid_fields");
    assert_eq!(proxy.statements(), before);
}

#[tokio::test]
async fn a_refused_login_asks_the_same_whether_the_account_exists_or_not() {
    let (app, proxy) = counted().await;
    let mut counts = Vec::new();
    for email in ["ann@example.com", "bob@example.com"] {
        let before = proxy.statements();
        let body = json!({"email": email, "password": "kettle-8-fog-lamp"});
        app.program().post("/api/auth/login", &body).await.refused(401, "invalid_credentials");
        counts.push(proxy.statements() - before);
    }
    assert_eq!(counts[0], counts[1]);
    assert!(counts[0] <= 2, "{counts:?}");
}

#[tokio::test]
async fn a_client_asks_once_and_an_unknown_one_costs_what_a_wrong_secret_costs() {
    let (app, proxy) = counted().await;
    let billing = Service::register(&app, "billing", &["introspect"]).await;
    let token = billing.token().await;
    billing.introspect(&token).await;
    let mut before = proxy.statements();
    let mut asked = || {
        let now = proxy.statements();
        now - std::mem::replace(&mut before, now)
    };
    billing.token().await;
    assert_eq!(asked(), 1, "a token");
    billing.introspect(&token).await;
    assert_eq!(asked(), 1, "an introspection");
    billing.introspect("garbage").await;
    assert_eq!(asked(), 1, "an introspection of garbage");
    let form = "grant_type=client_credentials";
    let mut counts = Vec::new();
    for id in ["billing", "unknown", "billing", "unknown"] {
        let wrong = Service { id: id.to_owned(), secret: "wrong".to_owned(), ..billing.at(&app.gateway) };
        wrong.post("/oauth/token", form).await.expect(401);
        counts.push(asked());
    }
    assert_eq!(counts[2..], [2, 2], "{counts:?}");
    let malformed = Service { id: "Billing".to_owned(), ..billing.at(&app.gateway) };
    malformed.post("/oauth/token", form).await.expect(401);
    assert_eq!(asked(), 0, "a name that no client can have");
}

/// What each request asked, the last time that it was made: by then every statement had been prepared.
struct Ledger<'a> {
    proxy: &'a PostgresProxy,
    asked: BTreeMap<&'static str, u64>,
}

impl Ledger<'_> {
    async fn note(&mut self, request: &'static str, status: u16, work: impl Future<Output = Reply>) -> Reply {
        let before = self.proxy.statements();
        let reply = work.await.expect(status);
        self.asked.insert(request, self.proxy.statements() - before);
        reply
    }

    /// Somebody's second factor, from the first look at it to its end.
    async fn second_factor(&mut self, app: &TestApp, name: &'static str) {
        const PATH: &str = "/api/auth/second-factor";
        let owner = app.customer(name).await;
        let password = json!({"currentPassword": PASSWORD});
        self.note("GET second-factor", 200, owner.get(PATH)).await;
        self.note("POST second-factor", 200, owner.post(PATH, &password)).await;
        let mut phone = Authenticator::enrol(&owner).await;
        let confirm = format!("{PATH}/confirm");
        let code = json!({"code": phone.code(0)});
        let told = self.note("POST second-factor/confirm", 200, owner.post(&confirm, &code)).await;
        let codes = told.json()["recoveryCodes"].as_array().unwrap().clone();
        phone.recovery_codes = codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
        let mut tab = app.visitor();
        let asked = self.note("POST login, a code is asked for", 403, tab.log_in(name)).await;
        let challenge = asked.text("challenge");
        let step = tab.second_step(&challenge, &phone.recovery_codes[0]);
        self.note("POST login/second-factor", 200, step).await;
        let replace = format!("{PATH}/recovery-codes");
        self.note("POST second-factor/recovery-codes", 200, owner.post(&replace, &password)).await;
        self.note("DELETE second-factor", 204, delete_with(&owner, PATH, &password.to_string())).await;
    }

    /// What an administrator does to an account, from its beginning to its end.
    async fn administration(&mut self, app: &TestApp, root: &Actor, name: &str) {
        let account = json!({"email": email_of(name), "password": PASSWORD});
        let made = self.note("POST admin/users", 201, root.post("/api/admin/users", &account)).await;
        let path = format!("/api/admin/users/{}", made.json()["user"]["id"].as_str().unwrap());
        let mut owner = app.visitor();
        owner.log_in(name).await.expect(200);
        Authenticator::enrol(&owner).await.confirm(&owner).await;
        let factor = format!("{path}/second-factor");
        self.note("DELETE admin/users/{id}/second-factor", 204, root.delete(&factor)).await;
        let sessions = format!("{path}/sessions");
        self.note("DELETE admin/users/{id}/sessions", 204, root.delete(&sessions)).await;
        let role = json!({"role": "ADMIN"});
        self.note("PATCH admin/users/{id}", 200, root.patch(&path, &role)).await;
        self.note("DELETE admin/users/{id}", 204, root.delete(&path)).await;
    }

    /// What an account's owner changes of it.
    async fn passwords(&mut self, app: &TestApp, name: &'static str) {
        const NEW: &str = "candle-3-rain-door";
        let account = json!({"email": email_of(name), "password": PASSWORD});
        self.note("POST register", 201, app.visitor().post("/api/auth/register", &account)).await;
        let mut owner = app.visitor();
        owner.log_in(name).await.expect(200);
        self.note("POST password", 204, owner.change_password(PASSWORD, NEW)).await;
        self.note("POST logout-all", 204, owner.log_out_everywhere()).await;
        let (token, email) = (MailToken::generate().unwrap(), Email::parse(&email_of(name)).unwrap());
        let minute = std::time::Duration::from_secs(60);
        assert!(
            mail_tokens::make_for_operator(&app.app.database, &email, token.hash(), minute).await.unwrap()
        );
        let reset = json!({"token": token.expose(), "newPassword": PASSWORD});
        self.note("POST reset", 204, owner.post("/api/auth/reset", &reset)).await;
    }
}

async fn delete_with(actor: &Actor, path: &str, body: &str) -> Reply {
    let request = actor.request(Method::DELETE, path).header(CONTENT_TYPE, "application/json");
    actor.forward(request.body(Body::from(body.to_owned())).unwrap()).await
}

/// docs/benchmarks.md has this table.
#[tokio::test]
async fn what_changes_an_account_asks() {
    let (app, proxy) = counted().await;
    let root = app.admin("root").await;
    let mut ledger = Ledger { proxy: &proxy, asked: BTreeMap::new() };
    for name in ["bob", "cat"] {
        ledger.passwords(&app, name).await;
    }
    for name in ["dan", "eve"] {
        ledger.second_factor(&app, name).await;
    }
    for name in ["fay", "gus"] {
        ledger.administration(&app, &root, name).await;
    }
    let asked: Vec<_> = ledger.asked.iter().map(|(request, asked)| (*request, *asked)).collect();
    // A change is a transaction: its beginning and end count too.
    let expected = [
        ("DELETE admin/users/{id}", 9),
        ("DELETE admin/users/{id}/second-factor", 1),
        ("DELETE admin/users/{id}/sessions", 7),
        ("DELETE second-factor", 4),
        ("GET second-factor", 1),
        ("PATCH admin/users/{id}", 9),
        ("POST admin/users", 6),
        ("POST login, a code is asked for", 2),
        ("POST login/second-factor", 2),
        ("POST logout-all", 6),
        ("POST password", 9),
        ("POST register", 3),
        ("POST reset", 11),
        ("POST second-factor", 4),
        ("POST second-factor/confirm", 4),
        ("POST second-factor/recovery-codes", 4),
    ];
    assert_eq!(asked, expected);
}
