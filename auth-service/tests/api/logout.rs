//! Logging out.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn ann_logs_out_and_is_out() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    let mut copy = ann.clone();
    let reply = ann.log_out().await.expect(204);
    assert!(reply.deletes_cookie() && !ann.has_cookie());
    assert!(reply.body.is_empty());
    copy.refresh().await.refused(401, "session_ended");
    copy.get("/api/auth/me").await.refused(401, "session_ended");
}

#[tokio::test]
async fn her_other_sessions_go_on() {
    let app = TestApp::start().await;
    let mut at_home = app.customer("ann").await;
    let mut at_work = app.visitor();
    at_work.log_in("ann").await.expect(200);
    at_home.log_out().await.expect(204);
    at_work.refresh().await.expect(200);
}

#[tokio::test]
async fn who_is_not_logged_in_is_logged_out_already() {
    let app = TestApp::start().await;
    let mut visitor = app.visitor();
    assert!(visitor.log_out().await.expect(204).set_cookies().is_empty());
    app.program().log_out().await.expect(204);
    app.program().post("/api/auth/logout", &json!({})).await.expect(204);
    app.program().post("/api/auth/logout", &json!({"refreshToken": "garbled"})).await.expect(204);
    visitor.set_cookie("garbled");
    assert!(visitor.log_out().await.expect(204).deletes_cookie());
}

#[tokio::test]
async fn logging_out_twice_is_logging_out() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    let mut again = ann.clone();
    ann.log_out().await.expect(204);
    again.log_out().await.expect(204);
}

#[tokio::test]
async fn an_old_token_logs_out_too() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    let mut old = ann.clone();
    ann.refresh().await.expect(200);
    old.log_out().await.expect(204);
    ann.refresh().await.refused(401, "session_ended");
}

#[tokio::test]
async fn a_program_logs_out_with_its_body() {
    let app = TestApp::start().await;
    app.registered("ann").await;
    let program = app.program();
    let body = json!({"refreshToken": program.log_in_for_body("ann").await.expect(200).text("refreshToken")});
    let reply = program.post("/api/auth/logout", &body).await.expect(204);
    assert!(reply.set_cookies().is_empty());
    program.post("/api/auth/refresh", &body).await.refused(401, "session_ended");
}
