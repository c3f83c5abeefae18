//! A refresh token's life, told through the database.

use super::actors::{POLICY, World, continued, device, new_session};
use crate::db::sessions::{self, Refreshed};
use crate::sessions::{Ending, Refusal, Step};

#[tokio::test]
async fn two_tabs_a_lost_answer_and_a_retry_stay_logged_in() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let (zero, _) = world.login(&ann).await.unwrap();
    assert_eq!(continued(world.refresh(&zero).await), (Step::Rotated, 1));
    // The answer was lost, and the client asks again; so does its other tab.
    assert_eq!(continued(world.refresh(&zero).await), (Step::CaughtUp, 1));
    let one = zero.at_generation(1);
    assert_eq!(continued(world.refresh(&one).await), (Step::Repeated, 1));
    world.later(&zero, 11.0).await;
    assert_eq!(continued(world.refresh(&one).await), (Step::Rotated, 2));
    assert_eq!(continued(world.refresh(&one).await), (Step::CaughtUp, 2));
    assert_eq!(world.count("SELECT count(*) FROM audit_events WHERE kind <> 'login'").await, 0);
}

#[tokio::test]
async fn a_refresh_answers_with_who_the_account_is_now() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let (zero, opened) = world.login(&ann).await.unwrap();
    world.sql.batch_execute("UPDATE users SET role = 'ADMIN', email = 'anna@example.com'").await.unwrap();
    let Refreshed::Continued(now) = world.refresh(&zero).await else { panic!("the session goes on") };
    assert_eq!(
        (now.user, now.email.as_str(), now.role),
        (ann.id, "anna@example.com", crate::accounts::Role::Admin)
    );
    assert_eq!((now.session.created_at, now.session.expires_at), (opened.created_at, opened.expires_at));
    assert_eq!((now.session.id, now.session.amr), (zero.session_id, vec!["pwd".to_owned()]));
}

#[tokio::test]
async fn an_old_token_ends_the_session_for_good_and_both_sides_are_on_record() {
    let world = World::new().await;
    let (zero, _) = world.login(&world.user("ann").await).await.unwrap();
    world.refresh(&zero).await;
    world.later(&zero, 11.0).await;
    let thief = device("203.0.113.66");
    let answer = sessions::refresh(&world.db, &zero, &thief, &POLICY).await.unwrap();
    assert_eq!(answer, Refreshed::Ended(Ending::LatePrevious));
    // Even the current token, and even within what was the grace.
    for generation in 0..3 {
        let token = zero.at_generation(generation);
        assert_eq!(world.refresh(&token).await, Refreshed::Refused(Refusal::SessionEnded));
    }
    let query = "SELECT address, detail->>'lastAddress', detail->>'reason', detail->>'generation' \
                 FROM audit_events WHERE kind = 'refresh_token_reused'";
    let row = world.sql.query_one(query, &[]).await.unwrap();
    let told: Vec<String> = (0..4).map(|column| row.get(column)).collect();
    assert_eq!(told, ["203.0.113.66", "198.51.100.7", "late_previous", "0"]);
}

#[tokio::test]
async fn a_token_two_generations_old_is_theft_inside_the_grace_too() {
    let world = World::new().await;
    let (zero, _) = world.login(&world.user("ann").await).await.unwrap();
    world.refresh(&zero).await;
    world.later(&zero, 11.0).await;
    world.refresh(&zero.at_generation(1)).await;
    assert_eq!(world.refresh(&zero).await, Refreshed::Ended(Ending::StaleLineage));
}

#[tokio::test]
async fn a_failover_that_lost_commits_logs_nobody_out() {
    let world = World::new().await;
    let (zero, _) = world.login(&world.user("ann").await).await.unwrap();
    assert_eq!(continued(world.refresh(&zero.at_generation(7)).await), (Step::Adopted, 8));
    assert_eq!(continued(world.refresh(&zero.at_generation(8)).await), (Step::Repeated, 8));
}

#[tokio::test]
async fn a_session_that_is_not_there_has_ended() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let new = new_session(ann.id, ann.epoch);
    let token = crate::tokens::RefreshToken::first(new.id, new.delivery, new.nonce);
    assert_eq!(world.refresh(&token).await, Refreshed::Refused(Refusal::SessionEnded));
}

#[tokio::test]
async fn an_answer_that_changes_nothing_writes_nothing() {
    let world = World::new().await;
    let (zero, _) = world.login(&world.user("ann").await).await.unwrap();
    world.refresh(&zero).await;
    let version = "SELECT (xmin::text || ctid::text) FROM sessions";
    let before: String = world.sql.query_one(version, &[]).await.unwrap().get(0);
    for generation in [0, 1, 0, 1] {
        world.refresh(&zero.at_generation(generation)).await;
    }
    let after: String = world.sql.query_one(version, &[]).await.unwrap().get(0);
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_logout_ends_the_session_once_and_may_be_repeated() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let (zero, _) = world.login(&ann).await.unwrap();
    let phone = device("192.0.2.9");
    let forged = crate::tokens::RefreshToken { nonce: crate::tokens::Nonce::generate(), ..zero };
    assert_eq!(sessions::log_out(&world.db, &forged, &phone, &POLICY).await.unwrap(), None);
    assert_eq!(sessions::log_out(&world.db, &zero, &phone, &POLICY).await.unwrap(), Some(ann.id));
    assert_eq!(sessions::log_out(&world.db, &zero, &phone, &POLICY).await.unwrap(), None);
    assert_eq!(world.refresh(&zero).await, Refreshed::Refused(Refusal::SessionEnded));
    assert_eq!(world.count("SELECT count(*) FROM audit_events WHERE kind = 'logout'").await, 1);
}
