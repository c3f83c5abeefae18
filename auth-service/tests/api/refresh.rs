//! Staying logged in. The rules themselves are tested in `sessions::refresh`; here is what clients see of them.

use futures_util::future::join_all;
use serde_json::json;
use test_support::CookieJar;

use crate::support::{Reply, TestApp};

#[tokio::test]
async fn ann_stays_logged_in() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    let first = ann.cookie();
    let reply = ann.refresh().await.expect(200);
    assert_ne!(ann.cookie(), first, "the first refresh after login rotates");
    assert_eq!(reply.json()["user"]["email"], "ann@example.com");
    assert_eq!(reply.json()["expiresIn"], 900);
    assert!(reply.json().get("refreshToken").is_none());
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    app.verify(&reply.text("accessToken")).await;
}

#[tokio::test]
async fn a_burst_of_reloads_does_no_harm() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    ann.refresh().await.expect(200);
    let current = ann.cookie();
    for _ in 0..3 {
        ann.refresh().await.expect(200);
        assert_eq!(ann.cookie(), current, "within the grace the token is answered with itself");
    }
}

#[tokio::test]
async fn an_answer_that_got_lost_is_given_again() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    let first = ann.cookie();
    ann.refresh().await.expect(200);
    let current = ann.cookie();
    ann.set_cookie(&first);
    ann.refresh().await.expect(200);
    assert_eq!(ann.cookie(), current);
}

#[tokio::test]
async fn a_hundred_tabs_refresh_at_once_and_one_rotation_comes_of_it() {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    let replies: Vec<Reply> = join_all((0..100).map(|_| {
        let mut tab = ann.clone();
        async move { tab.refresh().await.expect(200) }
    }))
    .await;
    let mut cookies: Vec<_> = replies.iter().map(|reply| reply.set_cookies()[0].value.clone()).collect();
    cookies.dedup();
    assert_eq!(cookies.len(), 1, "all tabs hold the same token");
    let row = app.sql().await.query_one("SELECT generation FROM sessions", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
}

#[tokio::test]
async fn the_token_before_last_within_the_grace_ends_the_session() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    let login = ann.cookie();
    ann.refresh().await.expect(200);
    app.let_pass("11 seconds").await;
    ann.refresh().await.expect(200);

    let mut thief = ann.clone();
    thief.set_cookie(&login);
    thief.refresh().await.refused(401, "stale_lineage");
    ann.refresh().await.refused(401, "session_ended");
    ann.refresh().await.refused(401, "session_ended");
}

#[tokio::test]
async fn the_previous_token_after_the_grace_ends_the_session() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    let previous = ann.cookie();
    ann.refresh().await.expect(200);
    app.let_pass("11 seconds").await;
    let mut thief = ann.clone();
    thief.set_cookie(&previous);
    thief.refresh().await.refused(401, "late_previous");
    ann.refresh().await.refused(401, "session_ended");
}

#[tokio::test]
async fn the_late_refusal_of_an_old_session_leaves_the_next_ones_cookie() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    let mut other_tab = ann.clone();
    other_tab.log_out().await.expect(204);
    let late = ann.clone().refresh().await.refused(401, "session_ended");
    ann.log_in("ann").await.expect(200);
    for line in late.headers.get_all("set-cookie") {
        ann.jar.store(line.to_str().unwrap());
    }
    ann.refresh().await.expect(200);
}

#[tokio::test]
async fn a_theft_is_told_to_whoever_reads_the_audit_trail() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    let previous = ann.cookie();
    ann.refresh().await.expect(200);
    app.let_pass("11 seconds").await;
    let mut thief = ann.clone();
    thief.address = "198.51.100.66".to_owned();
    thief.set_cookie(&previous);
    thief.refresh().await.refused(401, "late_previous");

    let event = "SELECT address, detail::text FROM audit_events WHERE kind = 'refresh_token_reused'";
    let row = app.sql().await.query_one(event, &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "198.51.100.66");
    assert!(row.get::<_, String>(1).contains("203.0.113.7"), "the other side's address");
}

#[tokio::test]
async fn an_idle_session_and_an_old_one_expire() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    app.let_pass("7 days").await;
    ann.refresh().await.refused(401, "session_expired");

    let app = TestApp::start_with(&[("JWT_REFRESH_TTL", "40d")]).await;
    let mut bob = app.customer("bob").await;
    app.let_pass("30 days").await;
    bob.refresh().await.refused(401, "session_expired");
}

#[tokio::test]
async fn a_cookie_lives_no_longer_than_its_session() {
    let app = TestApp::start_with(&[("SESSION_MAX_TTL", "1h")]).await;
    let mut ann = app.registered("ann").await;
    let reply = ann.log_in("ann").await.expect(200);
    let max_age: u64 = reply.set_cookies()[0].attribute("max-age").unwrap().parse().unwrap();
    assert!((3590..=3600).contains(&max_age), "{max_age}");
}

#[tokio::test]
async fn what_an_administrator_changed_shows_at_the_next_refresh() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    let sql = app.sql().await;
    sql.batch_execute("UPDATE users SET role = 'ADMIN'").await.unwrap();
    let reply = ann.refresh().await.expect(200);
    assert_eq!(reply.json()["user"]["role"], "ADMIN");
    assert_eq!(app.verify(&reply.text("accessToken")).await.role.as_deref(), Some("ADMIN"));

    sql.batch_execute("UPDATE users SET status = 'disabled'").await.unwrap();
    ann.refresh().await.refused(403, "account_disabled");
    sql.batch_execute("UPDATE users SET status = 'active', epoch = epoch + 1").await.unwrap();
    ann.refresh().await.refused(401, "session_ended");
}

#[tokio::test]
async fn without_a_token_there_is_no_session() {
    let app = TestApp::start().await;
    let mut visitor = app.visitor();
    let reply = visitor.refresh().await.refused(401, "missing_token");
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    assert!(reply.set_cookies().is_empty());
}

#[tokio::test]
async fn a_garbled_cookie_is_refused_and_left_alone() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    let good = ann.cookie();
    let cut = good[..good.len() - 1].to_owned();
    let flipped = format!("{}{}", &good[..good.len() - 1], if good.ends_with('A') { 'B' } else { 'A' });
    for garbled in ["", "x", &cut, &flipped, &good.to_uppercase(), &format!("{good}{good}")] {
        ann.set_cookie(garbled);
        let reply = ann.refresh().await.refused(401, "invalid_token");
        assert!(reply.set_cookies().is_empty(), "{garbled}");
    }
    ann.set_cookie(&good);
    ann.refresh().await.expect(200);
}

#[tokio::test]
async fn a_garbled_cookie_beside_a_good_one_is_ignored() {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    let good = ann.cookie();
    for cookies in [
        format!("refresh_token=garbled; refresh_token={good}"),
        format!("a=b; refresh_token={good}; refresh_token="),
    ] {
        let request = ann.request(axum::http::Method::POST, "/api/auth/refresh");
        let mut request = request.body(axum::body::Body::empty()).unwrap();
        request.headers_mut().insert("cookie", cookies.parse().unwrap());
        ann.forward(request).await.expect(200);
    }
}

#[tokio::test]
async fn two_sessions_in_one_request_are_ambiguous() {
    let app = TestApp::start().await;
    let (ann, eve) = (app.customer("ann").await, app.customer("eve").await);
    for path in ["/api/auth/refresh", "/api/auth/logout"] {
        let mut request =
            ann.request(axum::http::Method::POST, path).body(axum::body::Body::empty()).unwrap();
        let cookies = format!("refresh_token={}; refresh_token={}", eve.cookie(), ann.cookie());
        request.headers_mut().insert("cookie", cookies.parse().unwrap());
        let reply = ann.forward(request).await.refused(400, "ambiguous_session");
        assert!(reply.deletes_cookie());
        for planted in ["/", "/api", "/api/auth", "/api/auth/", path] {
            let mut jar = CookieJar::default();
            jar.store(&format!("refresh_token={}; Path={planted}", eve.cookie()));
            for line in reply.headers.get_all("set-cookie") {
                jar.store(line.to_str().unwrap());
            }
            assert_eq!(jar.header(path), None, "it was planted at {planted}");
        }
    }
}

#[tokio::test]
async fn only_our_pages_may_use_the_cookie() {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    for path in ["/api/auth/refresh", "/api/auth/logout"] {
        for page in [Some("https://evil.example"), Some("null"), None] {
            let request = ann.on_page(page).request(axum::http::Method::POST, path);
            let reply = ann
                .forward(request.body(axum::body::Body::empty()).unwrap())
                .await
                .refused(403, "origin_required");
            assert!(reply.set_cookies().is_empty());
        }
    }
    // Some browsers leave Origin out and say this instead.
    let request = ann.on_page(None).request(axum::http::Method::POST, "/api/auth/refresh");
    let request = request.header("sec-fetch-site", "same-origin").body(axum::body::Body::empty()).unwrap();
    ann.forward(request).await.expect(200);
}

#[tokio::test]
async fn a_program_refreshes_with_its_body() {
    let app = TestApp::start().await;
    app.registered("ann").await;
    let program = app.program();
    let first = program.log_in_for_body("ann").await.expect(200).text("refreshToken");
    let reply = program.post("/api/auth/refresh", &json!({"refreshToken": first})).await.expect(200);
    assert_ne!(reply.text("refreshToken"), first);
    assert!(reply.set_cookies().is_empty());
    app.verify(&reply.text("accessToken")).await;
}

#[tokio::test]
async fn a_token_travels_only_as_its_session_was_opened() {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    let program = app.program();
    let in_body = program.log_in_for_body("ann").await.expect(200).text("refreshToken");

    let stolen = json!({"refreshToken": ann.cookie()});
    program.post("/api/auth/refresh", &stolen).await.refused(401, "invalid_token");
    let mut browser = app.visitor();
    browser.set_cookie(&in_body);
    browser.refresh().await.refused(401, "invalid_token");

    program.post("/api/auth/refresh", &json!({"refreshToken": in_body})).await.expect(200);
}
