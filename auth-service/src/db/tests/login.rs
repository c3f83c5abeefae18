//! The second statement of a login, and what `/me` reads.

use secret::Secret;
use test_support::eventually;

use super::actors::{POLICY, World, device, new_session};
use crate::accounts::Email;
use crate::db::sessions;
use crate::sessions::{NewSession, SessionId};

#[tokio::test]
async fn a_login_opens_a_session_of_the_policys_length_and_is_on_record() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let (token, session) = world.login(&ann).await.unwrap();
    assert_eq!((session.id, session.generation, session.epoch), (token.session_id, 0, ann.epoch));
    assert_eq!(session.expires_at - session.created_at, POLICY.absolute);
    let row =
        world.sql.query_one("SELECT kind, address, user_agent, detail->>'delivery' FROM audit_events", &[]);
    let row = row.await.unwrap();
    let told: Vec<String> = (0..4).map(|column| row.get(column)).collect();
    assert_eq!(told, ["login", "192.0.2.1", "a browser", "cookie"]);
}

#[tokio::test]
async fn a_login_that_overlaps_a_change_of_the_account_opens_nothing() {
    for change in ["epoch = epoch + 1", "status = 'disabled'", "password_hash = 'another'"] {
        let world = World::new().await;
        let ann = world.user("ann").await;
        world.sql.batch_execute(&format!("UPDATE users SET {change}")).await.unwrap();
        assert!(world.login(&ann).await.is_none(), "{change}");
        assert_eq!(world.count("SELECT count(*) FROM sessions").await, 0);
        assert_eq!(world.count("SELECT count(*) FROM audit_events").await, 0);
    }
}

#[tokio::test]
async fn a_login_that_overlaps_the_accounts_deletion_opens_nothing() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    world.sql.batch_execute("BEGIN; DELETE FROM users").await.unwrap();
    let observer = world.database.client().await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let deleted = async {
        eventually("the login waits for the row", async || {
            let waiting: i64 = observer.query_one(waiting, &[]).await.unwrap().get(0);
            (waiting == 1).then_some(())
        })
        .await;
        world.sql.batch_execute("COMMIT").await.unwrap();
    };
    let (opened, ()) = tokio::join!(world.login(&ann), deleted);
    assert!(opened.is_none());
}

#[tokio::test]
async fn a_session_is_found_by_its_owner_while_its_tokens_would_be_taken() {
    let world = World::new().await;
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let (token, opened) = world.login(&ann).await.unwrap();
    let find = async |user, session| sessions::find(&world.db, user, session, &POLICY).await.unwrap();
    let found = find(ann.id, token.session_id).await.unwrap();
    assert_eq!((found.user, found.session), (ann.clone(), opened));
    assert_eq!(find(bob.id, token.session_id).await, None);
    assert_eq!(find(ann.id, SessionId::generate()).await, None);
    sessions::log_out(&world.db, &token, &device("192.0.2.1"), &POLICY).await.unwrap();
    assert_eq!(find(ann.id, token.session_id).await, None);
}

#[tokio::test]
async fn a_session_is_not_found_once_it_is_over() {
    let changes = [
        "UPDATE users SET epoch = epoch + 1",
        "UPDATE users SET status = 'disabled'",
        "UPDATE sessions SET rotated_at = now() - interval '7 days'",
        "UPDATE sessions SET expires_at = now()",
    ];
    for change in changes {
        let world = World::new().await;
        let ann = world.user("ann").await;
        let (token, _) = world.login(&ann).await.unwrap();
        world.sql.batch_execute(change).await.unwrap();
        assert_eq!(
            sessions::find(&world.db, ann.id, token.session_id, &POLICY).await.unwrap(),
            None,
            "{change}"
        );
    }
}

#[tokio::test]
async fn a_costlier_hash_replaces_only_the_one_that_was_verified() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let costlier = Secret::new("costlier".to_owned());
    let new = NewSession { rehashed: Some(costlier.clone()), ..new_session(ann.id, ann.epoch) };
    sessions::open(&world.db, &new, &POLICY).await.unwrap().unwrap();
    // Another login that verified the old one at the same time: it is let in, and replaces nothing.
    let late = Some(Secret::new("late".to_owned()));
    let late = NewSession { rehashed: late, ..new_session(ann.id, ann.epoch) };
    sessions::open(&world.db, &late, &POLICY).await.unwrap().unwrap();
    let stored = world.find_for_login(&Email::parse(&ann.email).unwrap()).await.unwrap();
    assert_eq!((stored.password_hash, stored.user), (costlier, ann));
}

#[tokio::test]
async fn a_session_of_an_account_that_is_gone_cannot_be_opened() {
    let world = World::new().await;
    let new = new_session(crate::accounts::UserId::generate(), 0);
    assert_eq!(sessions::open(&world.db, &new, &POLICY).await.unwrap(), None);
}
