//! Connections that many use at once: what one caller's bad luck means for the others.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use database::{Database, Error, Url};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel::{QueryableByName, define_sql_function, select};
use diesel_async::RunQueryDsl;
use tokio::task::JoinSet;

define_sql_function! {
    /// A word from the server's settings: here, a way to ask for something that depends on the connection.
    fn current_setting(name: Text) -> Text;
}
define_sql_function! {
    /// The server process behind a connection.
    fn pg_backend_pid() -> Integer;
}

fn live() -> Url {
    std::env::var("TEST_DATABASE_URL").expect("run the tests with `cargo xtask test`").parse().unwrap()
}

/// Asks for a number back, in a prepared statement.
async fn echo(database: &Database, number: i32) -> Result<i32, Error> {
    let query = select(number.into_sql::<Integer>());
    database.hot(async |connection| query.get_result(connection).await).await
}

async fn backend(database: &Database) -> Result<i32, Error> {
    database.hot(async |connection| select(pg_backend_pid()).get_result(connection).await).await
}

async fn sleep(database: &Database, seconds: f64) -> Result<usize, Error> {
    let slow = diesel::sql_query(format!("SELECT pg_sleep({seconds})"));
    database.hot(async |connection| slow.execute(connection).await).await
}

/// Kills a backend from another connection, and returns once it is gone.
async fn kill(backend: i32) {
    let other = Database::new(&live(), 1).unwrap();
    let kill = diesel::sql_query(format!("SELECT pg_terminate_backend({backend}, 5000)"));
    other.run(async |connection| kill.execute(connection).await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_their_own_answer_on_few_connections() {
    let database = Database::new(&live(), 64).unwrap();
    let mut callers = JoinSet::new();
    for number in 0..2_000 {
        let database = database.clone();
        callers.spawn(async move { (number, echo(&database, number).await.unwrap()) });
    }
    for (asked, answered) in callers.join_all().await {
        assert_eq!(asked, answered);
    }
    assert!(database.status().shared <= 4, "{:?}", database.status());
    assert_eq!(database.status().size, 0, "none from the pool");
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[tokio::test]
async fn a_statement_is_prepared_once_on_a_connection() {
    let database = Database::new(&live(), 1).unwrap();
    let mut callers = JoinSet::new();
    for number in 0..100 {
        let database = database.clone();
        callers.spawn(async move { echo(&database, number).await.unwrap() });
    }
    callers.join_all().await;
    let query = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT $1%'";
    let found: Count =
        database.hot(async |connection| diesel::sql_query(query).get_result(connection).await).await.unwrap();
    assert_eq!(found.count, 1);
}

#[tokio::test]
async fn after_its_backend_was_killed_the_next_caller_is_served() {
    let database = Database::new(&live(), 1).unwrap();
    let before = backend(&database).await.unwrap();
    kill(before).await;
    // Until word of it has come here, a caller may still be told that the database is away.
    let started = Instant::now();
    while !backend(&database).await.is_ok_and(|now| now != before) {
        assert!(started.elapsed() < Duration::from_secs(5), "the dead connection is still in use");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_backend_killed_under_its_callers_is_unavailability_to_each_and_to_nobody_after() {
    let database = Database::new(&live(), 1).unwrap();
    let before = backend(&database).await.unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let database = database.clone();
        callers.spawn(async move { sleep(&database, 0.5).await });
    }
    tokio::task::yield_now().await;
    kill(before).await;
    for outcome in callers.join_all().await {
        assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    }
    assert_ne!(backend(&database).await.unwrap(), before);
}

#[tokio::test]
async fn one_that_hangs_is_cut_off_and_those_behind_it_get_another_connection() {
    let database = Database::new(&live(), 1).unwrap();
    let started = Instant::now();
    let before = backend(&database).await.unwrap();
    let hung = sleep(&database, 30.0).await;
    assert!(matches!(hung, Err(Error::Unavailable(_))), "{hung:?}");
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_ne!(backend(&database).await.unwrap(), before);
    assert!(started.elapsed() < Duration::from_secs(2), "nobody waited for the one that hangs");
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nobody_along() {
    let database = Database::new(&live(), 1).unwrap();
    let before = backend(&database).await.unwrap();
    let mut callers = JoinSet::new();
    for number in 0..200 {
        let database = database.clone();
        let caller = callers.spawn(async move { echo(&database, number).await.unwrap() });
        if number % 2 == 0 {
            tokio::task::yield_now().await;
            caller.abort();
        }
    }
    let gone = tokio::time::timeout(Duration::from_millis(20), sleep(&database, 0.2)).await;
    assert!(gone.is_err(), "it was still waiting");
    assert_eq!(echo(&database, 7).await.unwrap(), 7);
    assert_eq!(backend(&database).await.unwrap(), before, "on the same connection");
}

#[tokio::test]
async fn a_refused_statement_leaves_its_neighbours_alone() {
    let database = Arc::new(Database::new(&live(), 1).unwrap());
    let before = backend(&database).await.unwrap();
    let wrong = select(current_setting("nothing.of.the.kind"));
    let refused = database.hot(async |connection| wrong.get_result::<String>(connection).await);
    let (refused, right) = tokio::join!(refused, echo(&database, 7));
    assert!(matches!(refused, Err(Error::Statement(_))), "{refused:?}");
    assert_eq!(right.unwrap(), 7);
    assert_eq!(backend(&database).await.unwrap(), before);
}

#[tokio::test]
async fn while_nobody_listens_all_callers_know_within_a_second() {
    for hangs in [false, true] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = hangs.then_some(listener);
        let url: Url = format!("postgres://postgres@127.0.0.1:{port}/postgres").parse().unwrap();
        let database = Database::new(&url, 4).unwrap();
        let started = Instant::now();
        let mut callers = JoinSet::new();
        for number in 0..50 {
            let database = database.clone();
            callers.spawn(async move { echo(&database, number).await });
        }
        for outcome in callers.join_all().await {
            assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
        }
        assert!(started.elapsed() < Duration::from_millis(1_200), "{:?}", started.elapsed());
        drop(kept);
    }
}
