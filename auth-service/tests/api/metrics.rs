//! What the operator can count.

use test_support::eventually;

use crate::support::TestApp;

#[tokio::test]
async fn logins_and_refreshes_are_counted_by_outcome() {
    let app = TestApp::start().await;
    let mut ann = app.customer("ann").await;
    ann.log_in("bob").await.refused(401, "invalid_credentials");
    ann.refresh().await.expect(200);
    ann.refresh().await.expect(200);
    app.visitor().refresh().await.refused(401, "missing_token");

    // The thread that hashed counts once its answer is on the way.
    let metrics = eventually("the hashes are counted", async || {
        Some(app.app.metrics.encode()).filter(|metrics| metrics.contains("auth_hashes_total 3\n"))
    })
    .await;
    for line in [
        r#"auth_logins_total{outcome="succeeded"} 1"#,
        r#"auth_logins_total{outcome="invalid_credentials"} 1"#,
        r#"auth_refreshes_total{outcome="rotated"} 1"#,
        r#"auth_refreshes_total{outcome="repeated"} 1"#,
        r#"auth_refreshes_total{outcome="missing_token"} 1"#,
        r#"method="POST",route="/api/auth/refresh",status="200"} 2"#,
        "auth_hash_queue_waiting 0",
        "auth_database_connections ",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert!(!metrics.contains("example.com"), "nobody's address is in\n{metrics}");
}
