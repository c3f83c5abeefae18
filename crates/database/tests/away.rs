//! What a request sees while PostgreSQL is away, and after it has come back.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::{Duration, Instant};

use database::{Database, Error, Url};
use diesel::{
    QueryableByName,
    sql_types::{Integer, Text},
};
use diesel_async::RunQueryDsl as _;

#[derive(QueryableByName)]
struct One {
    #[diesel(sql_type = Integer)]
    one: i32,
}

fn url(port: u16) -> Url {
    format!("postgres://postgres@127.0.0.1:{port}/postgres").parse().unwrap()
}

async fn one(database: &Database) -> Result<i32, Error> {
    let query = "SELECT 1 AS one";
    database
        .run(async |connection| diesel::sql_query(query).get_result::<One>(connection).await)
        .await
        .map(|row| row.one)
}

#[tokio::test]
async fn nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let started = Instant::now();
    let error = one(&Database::new(&url(free), 2).unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn somebody_listens_and_says_nothing() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let started = Instant::now();
    let error = one(&Database::new(&url(silent.local_addr().unwrap().port()), 2).unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(1));
}

fn live() -> Url {
    std::env::var("TEST_DATABASE_URL").expect("run the tests with `cargo xtask test`").parse().unwrap()
}

/// `run` must be usable from a spawned task: its future is `Send`.
#[tokio::test]
async fn a_killed_backend_costs_one_answer_and_the_next_is_right() {
    let database = Database::new(&live(), 1).unwrap();
    let worker = database.clone();
    assert_eq!(tokio::spawn(async move { one(&worker).await }).await.unwrap().unwrap(), 1);
    let kill = "SELECT pg_terminate_backend(pg_backend_pid())";
    let killed = database.run(async |connection| diesel::sql_query(kill).execute(connection).await).await;
    assert!(matches!(killed, Err(Error::Unavailable(_))), "{killed:?}");
    assert_eq!(one(&database).await.unwrap(), 1);
}

#[tokio::test]
async fn work_that_hangs_is_cut_off_and_its_connection_is_not_reused() {
    let database = Database::new(&live(), 1).unwrap();
    let started = Instant::now();
    let slow = "SELECT pg_sleep(30)";
    let error =
        database.run(async |connection| diesel::sql_query(slow).execute(connection).await).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(one(&database).await.unwrap(), 1);
}

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    setting: String,
}

/// The server gives up what nobody waits for, also when the URL brings options of its own.
#[tokio::test]
async fn options_in_the_url_leave_the_statement_timeout() {
    let check = async |options: &str, expected: &str| {
        let server = std::env::var("TEST_DATABASE_URL").unwrap();
        let url = format!("{server}?options={options}").parse().unwrap();
        let query = "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'";
        let setting = Database::new(&url, 1)
            .unwrap()
            .run(async |connection| diesel::sql_query(query).get_result::<Setting>(connection).await)
            .await;
        assert_eq!(setting.unwrap().setting, expected, "{options}");
    };
    check("-c%20lock_timeout%3D700", "1500").await;
    check("-c%20statement_timeout%3D700", "700").await;
}

#[tokio::test]
async fn a_wrong_statement_is_our_fault() {
    let database = Database::new(&live(), 1).unwrap();
    let wrong = "SELECT nothing FROM nowhere";
    let error = database
        .run(async |connection| diesel::sql_query(wrong).execute(connection).await)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Statement(_)), "{error:?}");
}
