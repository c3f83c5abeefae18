//! Logging out everywhere.

use crate::support::TestApp;

#[tokio::test]
async fn ann_logs_out_everywhere_here_too() {
    let app = TestApp::start().await;
    let mut ann = app.registered("ann").await;
    let token = ann.log_in("ann").await.expect(200).text("accessToken");
    let mut other = app.visitor();
    other.log_in("ann").await.expect(200);
    let mut bob = app.customer("bob").await;
    let (claims, user) = (app.verify(&token).await, ann.identity.user.clone());
    let mut here = ann.clone();

    let reply = ann.log_out_everywhere().await.expect(204);
    assert!(reply.deletes_cookie() && !ann.has_cookie());
    assert!(!app.is_accepted(&claims).await);
    here.refresh().await.refused(401, "session_ended");
    other.refresh().await.refused(401, "session_ended");
    ann.log_out_everywhere().await.refused(401, "session_ended");
    bob.refresh().await.expect(200);
    assert_eq!(app.ends(&user).await, vec![Some("logout_all".to_owned()); 2]);
    let audited = app.audited("logout_all").await;
    assert_eq!((&audited["detail"]["sessions"], &audited["detail"]["epoch"]), (&2.into(), &1.into()));
    assert_eq!(audited["session_id"], here.identity.session);
}

#[tokio::test]
async fn afterwards_she_may_log_in_again() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    ann.log_out_everywhere().await.expect(204);
    let token = ann.log_in("ann").await.expect(200).text("accessToken");
    let claims = app.verify(&token).await;
    assert!(app.is_accepted(&claims).await);
    assert_eq!(claims.epoch, 1);
    ann.refresh().await.expect(200);
}

#[tokio::test]
async fn nobody_in_particular_has_nothing_to_log_out_of() {
    let app = TestApp::start().await;
    app.visitor().log_out_everywhere().await.refused(401, "unauthenticated");
}
