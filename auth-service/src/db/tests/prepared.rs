//! What a request costs in statements, by PostgreSQL's own count.

use database::Database;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;

use super::actors::{OFF, POLICY, World, continued, device, new_session, throttle};
use crate::accounts::Email;
use crate::db::login::find_for_login;
use crate::db::sessions;
use crate::sessions::Step;
use crate::throttle::{Limits, Purpose, Subject};

#[derive(QueryableByName, Debug)]
struct Prepared {
    #[diesel(sql_type = Text)]
    statement: String,
    #[diesel(sql_type = BigInt)]
    executions: i64,
    /// How often the server did so by the plan that it keeps.
    #[diesel(sql_type = BigInt)]
    unplanned: i64,
}

/// What the only shared connection has prepared, and how often each of it ran.
async fn prepared(db: &Database) -> Vec<Prepared> {
    let query = "SELECT statement, generic_plans + custom_plans AS executions, generic_plans AS unplanned FROM pg_prepared_statements \
                 WHERE statement NOT LIKE '%pg_prepared_statements%'";
    db.hot(async |connection| diesel::sql_query(query).load(connection).await).await.unwrap()
}

/// How often anything ran on the only shared connection.
pub(super) async fn executions(db: &Database) -> i64 {
    prepared(db).await.iter().map(|statement| statement.executions).sum()
}

#[tokio::test]
async fn a_login_is_two_statements_a_refresh_one_and_a_logout_one_each_prepared_once() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let email = Email::parse(&ann.email).unwrap();
    let throttle = throttle(Limits { account: Some("100/1h".parse().unwrap()), ..OFF });
    let attempt = throttle.attempt(Purpose::Login, Subject::Email(&email), None);
    let db = world.replica(1);
    for round in 0..10 {
        let before = executions(&db).await;
        find_for_login(&db, &email, &attempt).await.unwrap().counted.unwrap();
        let new = new_session(ann.id, ann.epoch);
        sessions::open(&db, &new, &POLICY).await.unwrap().unwrap();
        assert_eq!(executions(&db).await - before, 2, "login {round}");

        let token = crate::tokens::RefreshToken::first(new.id, new.delivery, new.nonce);
        for (generation, step) in [(0, Step::Rotated), (0, Step::CaughtUp), (1, Step::Repeated)] {
            let before = executions(&db).await;
            let token = token.at_generation(generation);
            let answer = sessions::refresh(&db, &token, &device("192.0.2.1"), &POLICY).await.unwrap();
            assert_eq!(continued(answer).0, step);
            assert_eq!(executions(&db).await - before, 1, "{step:?}");
        }

        let before = executions(&db).await;
        sessions::find(&db, ann.id, new.id, &POLICY).await.unwrap().unwrap();
        assert_eq!(executions(&db).await - before, 1, "me");

        let before = executions(&db).await;
        sessions::log_out(&db, &token, &device("192.0.2.1"), &POLICY).await.unwrap().unwrap();
        assert_eq!(executions(&db).await - before, 1, "logout");
    }
    let prepared = prepared(&db).await;
    assert_eq!(prepared.len(), 5, "{prepared:#?}");
    assert!(prepared.iter().all(|one| one.executions >= 10), "{prepared:#?}");
    assert!(prepared.iter().all(|one| one.unplanned == one.executions), "{prepared:#?}");
    assert!(prepared.iter().any(|one| one.statement.starts_with("WITH given (session_id")));
}
