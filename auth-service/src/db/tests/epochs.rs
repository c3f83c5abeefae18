//! What raises an epoch, and what overlaps it.

use test_support::eventually;

use super::actors::{POLICY, World, continued, device, hash, new_user};
use crate::accounts::Role;
use crate::accounts::administration::AccountChange;
use crate::db::administration::{self, By, Mandate, NotDone};
use crate::db::epochs::{self, Asked, LoggedOut, PasswordChanged};
use crate::db::sessions::{self, EndedOne, Refreshed};
use crate::db::users::{self, User};
use crate::sessions::{CurrentSession, Refusal, Step};
use crate::tokens::RefreshToken;

const ENDED: Refreshed = Refreshed::Refused(Refusal::SessionEnded);

async fn session(world: &World, user: &User) -> (RefreshToken, CurrentSession) {
    let (token, session) = world.login(user).await.unwrap();
    (token, CurrentSession { user: user.id, session: session.id })
}

/// The revocations in the feed's words, the oldest first.
async fn revocations(world: &World) -> Vec<String> {
    let query = "SELECT concat_ws(' ', kind, session_id, user_id, least_epoch) FROM revocations ORDER BY id";
    world.sql.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn waiting_for_a_lock(world: &World) {
    let observer = world.database.client().await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("somebody waits for the row", async || {
        let waiting: i64 = observer.query_one(waiting, &[]).await.unwrap().get(0);
        (waiting >= 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_end_leaves_one_revocation_that_outlives_its_tokens() {
    let world = World::new().await;
    let (ann, phone) = (world.user("ann").await, device("192.0.2.9"));
    let (zero, asking) = session(&world, &ann).await;
    let (lost, gone) = session(&world, &ann).await;
    let (old, _) = session(&world, &ann).await;
    sessions::end_one(&world.db, &asking, gone.session, &phone, &POLICY).await.unwrap();
    assert_eq!(world.refresh(&lost).await, ENDED);
    world.refresh(&old).await;
    world.later(&old, 11.0).await;
    world.refresh(&old).await;
    sessions::log_out(&world.db, &zero, &phone, &POLICY).await.unwrap();
    let (last, asking) = session(&world, &ann).await;
    let asked = Asked { session: &asking, device: &phone, policy: &POLICY };
    assert_eq!(epochs::log_out_everywhere(&world.db, &asked).await.unwrap(), LoggedOut::Everywhere);
    assert_eq!(world.refresh(&last).await, ENDED);

    let expected = [
        format!("session {}", lost.session_id),
        format!("session {}", old.session_id),
        format!("session {}", zero.session_id),
        format!("user {} 1", ann.id),
    ];
    assert_eq!(revocations(&world).await, expected);
    let early = "SELECT count(*) FROM revocations WHERE expires_at < now() + interval '15 min 5 s'";
    assert_eq!(world.count(early).await, 0);
}

#[tokio::test]
async fn a_login_that_overlaps_a_raised_epoch_does_not_survive_it() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    world.sql.batch_execute("BEGIN; UPDATE users SET epoch = epoch + 1").await.unwrap();
    let (token, opened) = world.login(&ann).await.unwrap();
    world.sql.batch_execute("COMMIT").await.unwrap();
    // It opened its session beside the change, and so does its access token carry the epoch from before.
    assert_eq!(opened.epoch, 0);
    assert_eq!(world.refresh(&token).await, ENDED);
}

#[tokio::test]
async fn a_refresh_that_overlaps_a_raised_epoch_does_not_survive_it() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let (zero, asking) = session(&world, &ann).await;
    // A change that has locked the account and the session, and has not been committed.
    world
        .sql
        .batch_execute(
            "BEGIN; UPDATE users SET epoch = epoch + 1, role = 'ADMIN';
             UPDATE sessions SET ended_at = now(), ended_reason = 'role_changed'",
        )
        .await
        .unwrap();
    let committed = async {
        waiting_for_a_lock(&world).await;
        world.sql.batch_execute("COMMIT").await.unwrap();
    };
    let (refreshed, ()) = tokio::join!(world.refresh(&zero), committed);
    assert_eq!(refreshed, ENDED);
    assert!(sessions::find_asking(&world.db, &asking, &POLICY).await.unwrap().is_none());
}

#[tokio::test]
async fn a_refresh_that_repeats_beside_the_change_carries_the_epoch_from_before() {
    let world = World::new().await;
    let (zero, _) = session(&world, &world.user("ann").await).await;
    world.refresh(&zero).await;
    world.sql.batch_execute("BEGIN; UPDATE users SET epoch = epoch + 1, role = 'ADMIN'").await.unwrap();
    let Refreshed::Continued(beside) = world.refresh(&zero).await else { panic!("it goes on for now") };
    assert_eq!((beside.role, beside.session.epoch), (Role::User, 0));
    world.sql.batch_execute("COMMIT").await.unwrap();
    assert_eq!(world.refresh(&zero).await, ENDED);
}

#[tokio::test]
async fn a_password_change_raises_the_session_that_asks_and_ends_the_others() {
    let world = World::new().await;
    let (ann, phone) = (world.user("ann").await, device("192.0.2.9"));
    let ((zero, asking), (other, _)) = (session(&world, &ann).await, session(&world, &ann).await);
    let asked = Asked { session: &asking, device: &phone, policy: &POLICY };
    let (first, second) = (hash(), secret::Secret::new("another".to_owned()));
    let change =
        async |verified, new| epochs::change_password(&world.db, &asked, verified, new, None).await.unwrap();
    assert_eq!(change(&second, &first).await, PasswordChanged::Overtaken);
    assert_eq!(change(&first, &second).await, PasswordChanged::Done);
    assert_eq!(world.refresh(&other).await, ENDED);
    let Refreshed::Continued(now) = world.refresh(&zero).await else { panic!("the session goes on") };
    assert_eq!((now.step, now.session.epoch), (Step::Rotated, 1));
    assert_eq!(revocations(&world).await, [format!("user {} 1", ann.id)]);
    let found = sessions::find_asking(&world.db, &asking, &POLICY).await.unwrap().unwrap();
    assert_eq!((found.password_hash, found.user.epoch), (second, 1));
}

#[tokio::test]
async fn a_session_that_a_change_has_ended_is_not_raised_by_another() {
    let world = World::new().await;
    let (ann, phone) = (world.user("ann").await, device("192.0.2.9"));
    let (_, asking) = session(&world, &ann).await;
    let asked = Asked { session: &asking, device: &phone, policy: &POLICY };
    // A login that overlapped a demotion: behind, though nothing ended it.
    world.sql.batch_execute("BEGIN; UPDATE users SET epoch = epoch + 1").await.unwrap();
    let committed = async {
        waiting_for_a_lock(&world).await;
        world.sql.batch_execute("COMMIT").await.unwrap();
    };
    let (first, second) = (hash(), secret::Secret::new("another".to_owned()));
    let changing = epochs::change_password(&world.db, &asked, &first, &second, None);
    let (changed, ()) = tokio::join!(changing, committed);
    assert_eq!(changed.unwrap(), PasswordChanged::NotAsked);
    assert!(revocations(&world).await.is_empty());
}

#[tokio::test]
async fn who_asks_in_a_dead_session_is_not_heard() {
    for change in [
        "UPDATE users SET epoch = epoch + 1",
        "UPDATE users SET status = 'disabled'",
        "UPDATE sessions SET rotated_at = now() - interval '7 days'",
        "UPDATE sessions SET expires_at = now()",
        "UPDATE sessions SET ended_at = now(), ended_reason = 'logout'",
    ] {
        let world = World::new().await;
        let (ann, bob) = (world.user("ann").await, world.user("bob").await);
        let (_, asking) = session(&world, &ann).await;
        world.sql.batch_execute(change).await.unwrap();
        let phone = device("192.0.2.9");
        let asked = Asked { session: &asking, device: &phone, policy: &POLICY };
        assert_eq!(
            epochs::log_out_everywhere(&world.db, &asked).await.unwrap(),
            LoggedOut::NotAsked,
            "{change}"
        );
        let mandate = Mandate { by: By::Administrator(&asking), device: &phone, policy: &POLICY };
        let ended = administration::end_sessions_of(&world.db, &mandate, bob.id).await;
        assert!(matches!(ended, Err(NotDone::NotAsked)), "{change}: {ended:?}");
        let ended = sessions::end_one(&world.db, &asking, asking.session, &phone, &POLICY).await.unwrap();
        assert_eq!(ended, EndedOne::NotAsked, "{change}");
        assert!(sessions::list(&world.db, &asking, &POLICY, None, 10).await.unwrap().is_empty(), "{change}");
        assert!(revocations(&world).await.is_empty(), "{change}");
    }
}

#[tokio::test]
async fn a_demotion_is_written_as_it_was_decided() {
    let world = World::new().await;
    let root = users::insert(&world.db, &new_user("root", Role::Admin)).await.unwrap();
    let eve = users::insert(&world.db, &new_user("eve", Role::Admin)).await.unwrap();
    let ((_, asking), (zero, _)) = (session(&world, &root).await, session(&world, &eve).await);
    assert_eq!(continued(world.refresh(&zero).await), (Step::Rotated, 1));
    let phone = device("192.0.2.9");
    let mandate = Mandate { by: By::Administrator(&asking), device: &phone, policy: &POLICY };
    let change = AccountChange { role: Some(Role::User), status: None };
    let changed = administration::change_account(&world.db, &mandate, eve.id, &change).await.unwrap();
    assert_eq!(changed, User { role: Role::User, epoch: 1, ..eve });
    assert_eq!(world.refresh(&zero).await, ENDED);
    let query = "SELECT count(*) FROM audit_events WHERE kind = 'account_changed' AND actor_id IS NOT NULL \
                 AND detail @> '{\"reason\": \"role_changed\", \"epoch\": 1, \"sessions\": 1}'";
    assert_eq!(world.count(query).await, 1);
}
