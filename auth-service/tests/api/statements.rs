//! How often the database is asked, counted on the wire.

use serde_json::json;

use crate::oauth::Service;
use crate::support::{PostgresProxy, TestApp, migrated_database};

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
