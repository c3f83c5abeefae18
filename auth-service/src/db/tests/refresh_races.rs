//! Refreshes that race for one row, over the pools of two replicas.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::actors::{POLICY, World, device};
use crate::db::sessions::{self, Refreshed, Refreshes};
use crate::sessions::{Ending, Refusal};
use crate::tokens::refresh_token::RefreshToken;

/// Presents one token many times at once and counts the answers.
async fn present(replicas: &[Arc<Refreshes>], token: RefreshToken, times: usize) -> HashMap<String, usize> {
    let mut racing = JoinSet::new();
    for turn in 0..times {
        let replica = Arc::clone(&replicas[turn % replicas.len()]);
        racing.spawn(async move {
            let answer = replica.refresh(&token, &device("192.0.2.1"), &POLICY).await.unwrap();
            match answer {
                Refreshed::Continued(continued) => format!("generation {}", continued.session.generation),
                Refreshed::Ended(ending) => format!("{ending:?}"),
                Refreshed::Refused(refusal) => format!("{refusal:?}"),
            }
        });
    }
    let mut answers = HashMap::new();
    while let Some(answer) = racing.join_next().await {
        *answers.entry(answer.unwrap()).or_default() += 1;
    }
    answers
}

fn two_replicas(world: &World) -> [Arc<Refreshes>; 2] {
    [world.replica(8), world.replica(8)].map(|db| Arc::new(Refreshes::new(db)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_parallel_refreshes_of_one_token_give_one_rotation_and_equal_answers() {
    let world = World::new().await;
    let replicas = two_replicas(&world);
    let ann = world.user("ann").await;
    for _round in 0..10 {
        let (mut token, _) = world.login(&ann).await.unwrap();
        for generation in 0..3 {
            token = token.at_generation(generation);
            let answers = present(&replicas, token, 100).await;
            assert_eq!(answers, HashMap::from([(format!("generation {}", generation + 1), 100)]));
            world.later(&token, 11.0).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_parallel_uses_of_a_stolen_token_end_the_session_once() {
    let world = World::new().await;
    let replicas = two_replicas(&world);
    let (zero, _) = world.login(&world.user("ann").await).await.unwrap();
    world.refresh(&zero).await;
    world.later(&zero, 11.0).await;
    let answers = present(&replicas, zero, 100).await;
    let expected = [(format!("{:?}", Ending::LatePrevious), 1), (format!("{:?}", Refusal::SessionEnded), 99)];
    assert_eq!(answers, HashMap::from(expected));
    assert_eq!(world.count("SELECT count(*) FROM audit_events WHERE kind = 'refresh_token_reused'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thief_who_races_the_owner_never_leaves_a_live_session_with_two_holders() {
    let world = World::new().await;
    let replicas = two_replicas(&world);
    let ann = world.user("ann").await;
    for _round in 0..20 {
        let (zero, _) = world.login(&ann).await.unwrap();
        world.refresh(&zero).await;
        world.later(&zero, 11.0).await;
        let (current, previous) =
            tokio::join!(present(&replicas, zero.at_generation(1), 5), present(&replicas, zero, 5));
        let total: usize = current.values().chain(previous.values()).sum();
        assert_eq!(total, 10);
        assert_eq!(world.refresh(&zero.at_generation(2)).await, Refreshed::Refused(Refusal::SessionEnded));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_races_a_logout_does_not_outlive_it() {
    let world = World::new().await;
    let replicas = two_replicas(&world);
    let ann = world.user("ann").await;
    for _round in 0..20 {
        let (zero, _) = world.login(&ann).await.unwrap();
        let phone = device("192.0.2.1");
        let (ended, _) =
            tokio::join!(sessions::log_out(&world.db, &zero, &phone, &POLICY), present(&replicas, zero, 10));
        assert_eq!(ended.unwrap(), Some(ann.id));
        for generation in 0..3 {
            let after = world.refresh(&zero.at_generation(generation)).await;
            assert_eq!(after, Refreshed::Refused(Refusal::SessionEnded));
        }
    }
}
