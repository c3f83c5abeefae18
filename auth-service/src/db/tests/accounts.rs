//! Making accounts, and the first ADMIN.

use std::time::Duration;

use super::actors::{World, new_user};
use crate::accounts::Role;
use crate::accounts::bootstrap::{BootstrapToken, BootstrapTokenHash, LIFETIME};
use crate::db::bootstrap::{self, Bootstrapped, Standing};
use crate::db::users::{self, InsertError, User};

async fn find(world: &World, name: &str) -> Option<User> {
    let email = new_user(name, Role::User).email;
    users::find_for_login(&world.db, &email).await.unwrap().map(|credentials| credentials.user)
}

#[tokio::test]
async fn an_address_has_one_account() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    assert_eq!(find(&world, "ann").await, Some(ann));
    let again = users::insert(&world.db, &new_user("ann", Role::User)).await;
    assert!(matches!(again, Err(InsertError::EmailTaken)), "{again:?}");
}

#[tokio::test]
async fn of_parallel_registrations_of_one_address_one_succeeds() {
    let world = World::new().await;
    let (one, other) = (new_user("ann", Role::User), new_user("ann", Role::User));
    let (first, second) = tokio::join!(users::insert(&world.db, &one), users::insert(&world.db, &other));
    assert_ne!(first.is_ok(), second.is_ok());
}

fn token() -> BootstrapTokenHash {
    BootstrapToken::generate().unwrap().hash()
}

#[tokio::test]
async fn the_bootstrap_token_makes_the_first_admin_and_then_there_is_none_for_good() {
    let world = World::new().await;
    let (db, good) = (&world.db, token());
    assert_eq!(bootstrap::standing(db, good).await.unwrap(), Standing::Closed);
    assert!(bootstrap::offer(db, good, LIFETIME).await.unwrap());
    assert_eq!(bootstrap::standing(db, good).await.unwrap(), Standing::Good);
    assert_eq!(bootstrap::standing(db, token()).await.unwrap(), Standing::Wrong);
    let root = new_user("root", Role::Admin);
    assert_eq!(bootstrap::claim(db, token(), &root).await.unwrap(), Bootstrapped::Refused(Standing::Wrong));
    assert_eq!(bootstrap::claim(db, good, &root).await.unwrap(), Bootstrapped::Done);
    assert_eq!(find(&world, "root").await.unwrap().role, Role::Admin);
    let other = new_user("other", Role::Admin);
    assert_eq!(bootstrap::claim(db, good, &other).await.unwrap(), Bootstrapped::Refused(Standing::Closed));
    // Not even after a restart, nor when that ADMIN is gone.
    world.sql.batch_execute("DELETE FROM users").await.unwrap();
    assert!(!bootstrap::offer(db, token(), LIFETIME).await.unwrap());
    assert_eq!(bootstrap::standing(db, good).await.unwrap(), Standing::Closed);
}

#[tokio::test]
async fn a_restart_replaces_the_token_and_an_hour_ends_it() {
    let world = World::new().await;
    let (first, second) = (token(), token());
    bootstrap::offer(&world.db, first, LIFETIME).await.unwrap();
    bootstrap::offer(&world.db, second, LIFETIME).await.unwrap();
    assert_eq!(bootstrap::standing(&world.db, first).await.unwrap(), Standing::Wrong);
    assert_eq!(bootstrap::standing(&world.db, second).await.unwrap(), Standing::Good);
    bootstrap::offer(&world.db, second, Duration::ZERO).await.unwrap();
    assert_eq!(bootstrap::standing(&world.db, second).await.unwrap(), Standing::Wrong);
    let late = bootstrap::claim(&world.db, second, &new_user("root", Role::Admin)).await.unwrap();
    assert_eq!(late, Bootstrapped::Refused(Standing::Wrong));
}

#[tokio::test]
async fn an_admin_made_in_any_way_closes_bootstrap() {
    for promote in [false, true] {
        let world = World::new().await;
        let offered = token();
        bootstrap::offer(&world.db, offered, LIFETIME).await.unwrap();
        let role = if promote { Role::User } else { Role::Admin };
        users::insert(&world.db, &new_user("root", role)).await.unwrap();
        if promote {
            world.sql.batch_execute("UPDATE users SET role = 'ADMIN'").await.unwrap();
        }
        assert_eq!(bootstrap::standing(&world.db, offered).await.unwrap(), Standing::Closed);
    }
}

#[tokio::test]
async fn a_taken_address_leaves_the_token_good() {
    let world = World::new().await;
    world.user("ann").await;
    let good = token();
    bootstrap::offer(&world.db, good, LIFETIME).await.unwrap();
    let taken = bootstrap::claim(&world.db, good, &new_user("ann", Role::Admin)).await.unwrap();
    assert_eq!(taken, Bootstrapped::EmailTaken);
    assert_eq!(bootstrap::standing(&world.db, good).await.unwrap(), Standing::Good);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_parallel_attempts_to_bootstrap_one_wins() {
    let world = World::new().await;
    let good = token();
    bootstrap::offer(&world.db, good, LIFETIME).await.unwrap();
    let attempts = (0..20).map(|number| {
        let db = world.db.clone();
        tokio::spawn(async move {
            bootstrap::claim(&db, good, &new_user(&format!("root{number}"), Role::Admin)).await.unwrap()
        })
    });
    let attempts: Vec<_> = attempts.collect();
    let mut winners = 0;
    for attempt in attempts {
        winners += usize::from(attempt.await.unwrap() == Bootstrapped::Done);
    }
    assert_eq!((winners, world.count("SELECT count(*) FROM users").await), (1, 1));
}
