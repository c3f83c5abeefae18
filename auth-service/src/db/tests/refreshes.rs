//! Refreshes that are sent together.

use std::sync::Arc;
use std::time::Duration;

use database::{Database, Error};
use futures_util::future::join_all;

use super::actors::{POLICY, World, continued, device, new_user};
use super::prepared::executions;
use crate::accounts::Role;
use crate::db::epochs::{self, Asked};
use crate::db::sessions::{Refreshed, Refreshes};
use crate::db::users;
use crate::sessions::{CurrentSession, SessionPolicy, Step};
use crate::tokens::refresh_token::RefreshToken;

const MANY: usize = 200;

/// Tokens of as many accounts.
async fn many_logins(world: &World, count: usize) -> Vec<RefreshToken> {
    let mut tokens = Vec::new();
    for number in 0..count {
        let user = world.user(&format!("user{number}")).await;
        tokens.push(world.login(&user).await.unwrap().0);
    }
    tokens
}

async fn all_at_once(
    refreshes: &Arc<Refreshes>,
    tokens: &[RefreshToken],
    policy: &SessionPolicy,
) -> Vec<Result<Refreshed, Error>> {
    let phone = device("192.0.2.1");
    join_all(tokens.iter().map(|token| refreshes.refresh(token, &phone, policy))).await
}

#[tokio::test]
async fn those_who_wait_go_together_and_each_gets_the_answer_to_its_own_token() {
    let world = World::new().await;
    let tokens = many_logins(&world, MANY).await;
    let db = world.replica(1);
    let refreshes = Arc::new(Refreshes::new(db.clone()));
    let before = executions(&db).await;
    for (token, answer) in tokens.iter().zip(all_at_once(&refreshes, &tokens, &POLICY).await) {
        let Ok(Refreshed::Continued(answer)) = answer else { panic!("the session goes on: {answer:?}") };
        assert_eq!((answer.session.id, answer.session.generation), (token.session_id, 1));
        assert_eq!(answer.step, Step::Rotated);
    }
    let statements = executions(&db).await - before;
    assert!(statements <= 10, "{statements} for {MANY} refreshes");
}

#[tokio::test]
async fn what_does_not_rotate_is_decided_beside_what_does() {
    let world = World::new().await;
    let mut tokens = many_logins(&world, 20).await;
    let refreshes = Arc::new(Refreshes::new(world.replica(1)));
    all_at_once(&refreshes, &tokens, &POLICY).await;
    for token in &tokens[..10] {
        world.later(token, 11.0).await;
    }
    for token in &mut tokens {
        *token = token.at_generation(1);
    }
    let steps =
        all_at_once(&refreshes, &tokens, &POLICY).await.into_iter().map(|answer| continued(answer.unwrap()));
    let expected = [vec![(Step::Rotated, 2); 10], vec![(Step::Repeated, 1); 10]].concat();
    assert_eq!(steps.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_row_that_cannot_be_written_takes_nobody_along() {
    let world = World::new().await;
    let tokens = many_logins(&world, 20).await;
    let statement = format!(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$;
         CREATE TRIGGER fail BEFORE UPDATE ON sessions FOR EACH ROW WHEN (NEW.id = '{}') EXECUTE FUNCTION fail()",
        tokens[7].session_id
    );
    world.sql.batch_execute(&statement).await.unwrap();
    let refreshes = Arc::new(Refreshes::new(world.replica(1)));
    for (number, answer) in all_at_once(&refreshes, &tokens, &POLICY).await.into_iter().enumerate() {
        match answer {
            Ok(answer) => assert_eq!((number != 7, continued(answer)), (true, (Step::Rotated, 1))),
            Err(error) => {
                assert!(matches!((number, &error), (7, Error::Statement(_))), "{number}: {error:?}");
            }
        }
    }
}

/// Sessions of one account, whose ends lock many rows as well.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_in_a_circle() {
    let world = World::new().await;
    let policy = SessionPolicy { grace: Duration::ZERO, ..POLICY };
    let replicas = [world.replica(4), world.replica(4)].map(|db| Arc::new(Refreshes::new(db)));
    for round in 0..10 {
        let ann = users::insert(&world.db, &new_user(&format!("ann{round}"), Role::User)).await.unwrap();
        let mut tokens = Vec::new();
        for _session in 0..40 {
            tokens.push(world.login(&ann).await.unwrap().0);
        }
        let backwards: Vec<_> = tokens.iter().rev().copied().collect();
        let (current, phone) =
            (CurrentSession { session: tokens[0].session_id, user: ann.id }, device("192.0.2.1"));
        let asked = Asked { session: &current, device: &phone, policy: &policy };
        let (one, other, ended) = tokio::join!(
            all_at_once(&replicas[0], &tokens, &policy),
            all_at_once(&replicas[1], &backwards, &policy),
            epochs::log_out_everywhere(&world.db, &asked),
        );
        ended.unwrap();
        let failed = one.iter().chain(&other).filter(|answer| answer.is_err()).count();
        assert_eq!(failed, 0, "round {round}");
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(world.count(deadlocks).await, 0);
}

#[tokio::test]
async fn without_a_database_each_is_told_so() {
    let nobody: Database = Database::new(&"postgres://127.0.0.1:1/none".parse().unwrap(), 1).unwrap();
    let world = World::new().await;
    let tokens = many_logins(&world, 5).await;
    let answers = all_at_once(&Arc::new(Refreshes::new(nobody)), &tokens, &POLICY).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Unavailable(_)))), "{answers:?}");
}
