//! Making accounts, and the first ADMIN.

use std::time::Duration;

use database::Database;
use diesel_async::RunQueryDsl as _;
use postgres_cluster::TemporaryCluster;
use test_support::eventually;

use super::actors::{World, device, migrate, new_user};
use crate::accounts::Role;
use crate::accounts::bootstrap::{BootstrapToken, BootstrapTokenHash, LIFETIME};
use crate::db::bootstrap::{self, Bootstrapped, Standing};
use crate::db::users::{self, InsertError, User};

async fn find(world: &World, name: &str) -> Option<User> {
    let email = new_user(name, Role::User).email;
    world.find_for_login(&email).await.map(|credentials| credentials.user)
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

/// PostgreSQL writes a violated constraint into its log, with the values that violated it.
#[tokio::test]
async fn an_address_that_is_taken_is_not_told_to_the_servers_log() {
    let cluster = TemporaryCluster::start(&postgres_cluster::find(), &[]).unwrap();
    let running = cluster.running().unwrap();
    let url = running.superuser_url("postgres");
    migrate(&url).await.unwrap();
    let db = Database::new(&url.parse().unwrap(), 1).unwrap().with_deadline(Duration::from_secs(60));
    users::insert(&db, &new_user("ann", Role::User)).await.unwrap();
    let again = users::insert(&db, &new_user("ann", Role::User)).await;
    assert!(matches!(again, Err(InsertError::EmailTaken)), "{again:?}");
    let good = token();
    bootstrap::offer(&db, good, LIFETIME).await.unwrap();
    let claimed = bootstrap::claim(&db, good, &new_user("ann", Role::Admin), &device("192.0.2.1")).await;
    assert_eq!(claimed.unwrap(), Bootstrapped::EmailTaken);

    // What is wrong on purpose marks the end of what there is to read.
    let mark = "SELECT nothing FROM nowhere";
    db.run(async |connection| diesel::sql_query(mark).execute(connection).await).await.unwrap_err();
    let log = eventually("the log is written", async || {
        let log = std::fs::read_to_string(running.log()).unwrap();
        log.contains("nowhere").then_some(log)
    })
    .await;
    assert!(!log.contains("ann@example.com"), "{log}");
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
    assert_eq!(
        bootstrap::claim(db, token(), &root, &device("192.0.2.1")).await.unwrap(),
        Bootstrapped::Refused(Standing::Wrong)
    );
    assert_eq!(bootstrap::claim(db, good, &root, &device("192.0.2.1")).await.unwrap(), Bootstrapped::Done);
    assert_eq!(find(&world, "root").await.unwrap().role, Role::Admin);
    let other = new_user("other", Role::Admin);
    assert_eq!(
        bootstrap::claim(db, good, &other, &device("192.0.2.1")).await.unwrap(),
        Bootstrapped::Refused(Standing::Closed)
    );
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
    let late = bootstrap::claim(&world.db, second, &new_user("root", Role::Admin), &device("192.0.2.1"))
        .await
        .unwrap();
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
    let taken =
        bootstrap::claim(&world.db, good, &new_user("ann", Role::Admin), &device("192.0.2.1")).await.unwrap();
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
            bootstrap::claim(
                &db,
                good,
                &new_user(&format!("root{number}"), Role::Admin),
                &device("192.0.2.1"),
            )
            .await
            .unwrap()
        })
    });
    let attempts: Vec<_> = attempts.collect();
    let mut winners = 0;
    for attempt in attempts {
        winners += usize::from(attempt.await.unwrap() == Bootstrapped::Done);
    }
    assert_eq!((winners, world.count("SELECT count(*) FROM users").await), (1, 1));
}
