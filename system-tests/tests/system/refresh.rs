//! Rotation, with two replicas and everything that goes wrong between a client and a server.

use std::collections::BTreeSet;

use system_tests::{Actor, Options, Stack};
use test_support::tokio_postgres::Client;

async fn generation(database: &Client) -> i64 {
    let row = database.query_one("SELECT generation FROM sessions", &[]).await.unwrap();
    row.get(0)
}

/// What the grace is measured from, moved into the past: the same as waiting, on every clock there is.
async fn time_passes(database: &Client, seconds: u32) {
    let statement = format!("UPDATE sessions SET rotated_at = rotated_at - interval '{seconds} s'");
    assert_eq!(database.execute(&statement, &[]).await.unwrap(), 1);
}

async fn refused(actor: &Actor, token: &str) -> String {
    actor.present(token);
    actor.refresh().await.expect(401).code()
}

async fn answered(actor: &Actor, token: &str) -> String {
    actor.present(token);
    actor.refreshed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_parallel_refreshes_over_two_replicas_give_one_answer_and_one_rotation() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let first = ann.refresh_token();
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let tab = stack.visitor();
            tab.store_cookie(&format!("refresh_token={first}; Path=/api/auth"));
            tokio::spawn(async move {
                tab.post_empty("/api/auth/refresh").await.expect(200);
                tab.cookie("refresh_token").unwrap()
            })
        })
        .collect();
    let mut answers = BTreeSet::new();
    for call in calls {
        answers.insert(call.await.unwrap());
    }
    assert_eq!(answers.len(), 1, "a hundred equal answers");
    assert!(!answers.contains(&first), "the first refresh after a login rotates");
    assert_eq!(generation(&stack.auth_database().await).await, 1, "one rotation");
    for replica in 0..2 {
        let metrics = stack.auth_admin(replica).get("/metrics").await.expect(200).text();
        assert!(metrics.contains("/api/auth/refresh"), "replica {replica} took its share:\n{metrics}");
    }
}

#[tokio::test]
async fn a_reload_a_retry_and_a_late_tab_within_the_grace_stay_logged_in() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let zero = ann.refresh_token();
    let one = answered(&ann, &zero).await;
    assert_ne!(one, zero);
    assert_eq!(answered(&ann, &one).await, one, "within the grace the current token is answered with itself");
    assert_eq!(answered(&ann, &zero).await, one, "and the one before it with the current one");
    assert_eq!(generation(&stack.auth_database().await).await, 1);
}

#[tokio::test]
async fn a_lost_response_is_asked_for_again() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let database = stack.auth_database().await;
    let zero = ann.refresh_token();
    let lost = answered(&ann, &zero).await;
    assert_eq!(answered(&ann, &zero).await, lost);
    time_passes(&database, 11).await;
    let two = answered(&ann, &lost).await;
    assert_ne!(two, lost);
    assert_eq!(answered(&ann, &lost).await, two);
}

#[tokio::test]
async fn the_previous_token_after_the_grace_ends_the_session_for_good() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let database = stack.auth_database().await;
    let zero = ann.refresh_token();
    let one = answered(&ann, &zero).await;
    time_passes(&database, 11).await;
    assert_eq!(refused(&ann, &zero).await, "late_previous");
    assert_eq!(
        refused(&ann, &one).await,
        "session_ended",
        "the thief's token and the victim's are worth nothing"
    );
    assert_eq!(refused(&ann, &zero).await, "session_ended");
    let events = "SELECT count(*) FROM audit_events WHERE kind = 'refresh_token_reused'";
    let row = database.query_one(events, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1, "told once in the audit trail");
}

#[tokio::test]
async fn an_older_generation_ends_the_session_even_within_the_grace() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let database = stack.auth_database().await;
    let zero = ann.refresh_token();
    let one = answered(&ann, &zero).await;
    time_passes(&database, 11).await;
    let two = answered(&ann, &one).await;
    assert_eq!(refused(&ann, &zero).await, "stale_lineage");
    assert_eq!(refused(&ann, &two).await, "session_ended");
}

#[tokio::test]
async fn without_a_grace_every_refresh_rotates() {
    let stack = Stack::with(Options::default().auth("REFRESH_GRACE", "0s")).await;
    let ann = stack.customer("ann").await;
    let zero = ann.refresh_token();
    let one = answered(&ann, &zero).await;
    let two = answered(&ann, &one).await;
    assert!(zero != one && one != two);
    assert_eq!(refused(&ann, &one).await, "late_previous");
    assert_eq!(refused(&ann, &two).await, "session_ended");
}

#[tokio::test]
async fn idle_and_absolute_ends_are_told_apart_from_an_ended_session() {
    let stack = Stack::start().await;
    let database = stack.auth_database().await;
    let ann = stack.customer("ann").await;
    time_passes(&database, 7 * 24 * 3_600 + 1).await;
    assert_eq!(refused(&ann, &ann.refresh_token()).await, "session_expired");
}

#[tokio::test]
async fn a_disabled_user_and_a_raised_epoch_end_what_was_open() {
    let stack = Stack::start().await;
    let database = stack.auth_database().await;
    let ann = stack.customer("ann").await;
    database.execute("UPDATE users SET epoch = epoch + 1", &[]).await.unwrap();
    assert_eq!(refused(&ann, &ann.refresh_token()).await, "session_ended");
    let bob = stack.customer("bob").await;
    database.execute("UPDATE users SET status = 'disabled'", &[]).await.unwrap();
    bob.refresh().await.expect(403);
}

#[tokio::test]
async fn a_garbled_cookie_beside_a_good_one_does_no_harm_and_two_sessions_are_ambiguous() {
    use test_support::reqwest::Method;
    let stack = Stack::start().await;
    let (ann, bob) = (stack.customer("ann").await, stack.customer("bob").await);
    let page = stack.visitor();
    let send = async |cookies: String| {
        page.send(page.request(Method::POST, "/api/auth/refresh").header("cookie", cookies)).await
    };
    send(format!("refresh_token=garbled; refresh_token={}", ann.refresh_token())).await.expect(200);
    let both =
        send(format!("refresh_token={}; refresh_token={}", ann.refresh_token(), bob.refresh_token())).await;
    assert_eq!(both.clone().expect(400).code(), "ambiguous_session");
    assert!(
        both.set_cookies().iter().all(|cookie| cookie.value.is_empty()) && !both.set_cookies().is_empty()
    );
    assert_eq!(send("refresh_token=garbled".to_owned()).await.expect(401).code(), "invalid_token");
    assert_eq!(send("unrelated=1".to_owned()).await.expect(401).code(), "missing_token");
}
