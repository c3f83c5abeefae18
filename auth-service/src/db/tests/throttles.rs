//! The database's function against the rule that people read, and against everybody at once.

use std::time::Duration;

use futures_util::future::join_all;
use time::OffsetDateTime;

use super::actors::{OFF, POLICY, World, new_session, new_user, throttle};
use crate::accounts::{Email, Role};
use crate::db::{sessions, throttles};
use crate::sessions::NewSession;
use crate::throttle::limit::Rate;
use crate::throttle::{Attempt, Counter, Limit, Limits, Purpose, Scope, Subject, Then};

const SECOND: i64 = 1_000_000;

fn at(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).unwrap()
}

fn rate(text: &str) -> Option<Rate> {
    Some(text.parse().unwrap())
}

/// Numbers as good as random, the same in every run (Knuth's).
fn numbers() -> impl Iterator<Item = i64> {
    let mut state: u64 = 7;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(state >> 33).unwrap()
    })
}

/// Counts in a transaction, in which `now()` stands still; answers that time, and what the row says afterwards.
async fn count(world: &World, limit: Limit) -> (OffsetDateTime, Option<f64>, Counter) {
    world.sql.batch_execute("BEGIN").await.unwrap();
    let seconds = |duration: Duration| duration.as_secs_f64();
    let counted = world
        .sql
        .query_opt(
            "SELECT retry_after FROM count_attempt(ARRAY[decode(repeat('07', 16), 'hex')], ARRAY[$1::int4], \
             ARRAY[make_interval(secs => $2)], ARRAY[make_interval(secs => $3::float8)])",
            &[&limit.allowed, &seconds(limit.window), &limit.longest_wait().map(seconds)],
        )
        .await
        .unwrap();
    let micros = |column: &str| format!("(extract(epoch FROM {column}) * 1000000)::int8");
    let row = format!(
        "SELECT {}, failures, {}, {} FROM throttles",
        micros("now()"),
        micros("blocked_until"),
        micros("expires_at")
    );
    let row = world.sql.query_one(&row, &[]).await.unwrap();
    world.sql.batch_execute("COMMIT").await.unwrap();
    let counter = Counter {
        failures: row.get(1),
        blocked_until: row.get::<_, Option<i64>>(2).map(at),
        expires_at: at(row.get(3)),
    };
    (at(row.get(0)), counted.map(|row| row.get(0)), counter)
}

#[tokio::test]
async fn the_function_counts_as_the_rule_does() {
    let limits = [
        Limit { allowed: 3, window: Duration::from_secs(60), then: Then::Wait },
        Limit { allowed: 1, window: Duration::from_secs(1), then: Then::Wait },
        Limit { allowed: 3, window: Duration::from_secs(20), then: Then::Doubling },
        Limit { allowed: 1, window: Duration::from_secs(5), then: Then::Doubling },
    ];
    let world = World::new().await;
    let mut numbers = numbers();
    for limit in limits {
        world.sql.batch_execute("DELETE FROM throttles").await.unwrap();
        let (mut before, mut turned_away): (Option<Counter>, u32) = (None, 0);
        for step in 0..100 {
            let (now, retry_after, after) = count(&world, limit).await;
            match limit.count(before, now) {
                Ok(counted) => assert_eq!((retry_after, after), (None, counted), "{limit:?}, {step}"),
                Err(until) => {
                    turned_away += 1;
                    let wait = (until - now).as_seconds_f64();
                    assert!((retry_after.unwrap() - wait).abs() < 1e-6, "{limit:?}, {step}");
                    assert_eq!(Some(after), before, "{limit:?}, {step}: it is not counted");
                }
            }
            // Often much less than a window, sometimes more than one.
            let passes = numbers.next().unwrap() % (if step % 5 == 0 { 30 * SECOND } else { 3 * SECOND });
            let shift = "UPDATE throttles SET expires_at = expires_at - $1 * interval '1 us', \
                         blocked_until = blocked_until - $1 * interval '1 us'";
            world.sql.execute(shift, &[&(passes as f64)]).await.unwrap();
            let shifted = |time: OffsetDateTime| time - Duration::from_micros(passes.unsigned_abs());
            before = Some(Counter {
                failures: after.failures,
                blocked_until: after.blocked_until.map(shifted),
                expires_at: shifted(after.expires_at),
            });
        }
        assert!((1..100).contains(&turned_away), "{limit:?}: {turned_away}");
    }
}

#[tokio::test]
async fn of_a_hundred_at_once_on_two_replicas_exactly_the_allowed_ones_get_through() {
    let world = World::new().await;
    let replicas = [world.replica(8), world.replica(8)];
    let limits = Limits { account: rate("7/1h"), address: rate("1000/1h"), ..OFF };
    let (throttle, email) = (throttle(limits), new_user("ann", Role::User).email);
    let attempts = (0..100_u8).map(|number| {
        let (throttle, email, replica) = (&throttle, &email, &replicas[usize::from(number % 2)]);
        async move {
            let from = Some([192, 0, 2, number].into());
            let attempt = throttle.attempt(Purpose::Login, Subject::Email(email), from);
            throttles::count(replica, &attempt).await.unwrap()
        }
    });
    let outcomes = join_all(attempts).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 7);
    let first =
        outcomes.iter().filter(|outcome| outcome.as_ref().is_err_and(|throttled| throttled.is_first)).count();
    assert_eq!(first, 1, "one of those who were turned away is on record");
    let counted = "SELECT count(*) FROM throttles WHERE failures > 0";
    assert_eq!(world.count(counted).await, 8, "who was turned away is counted at no address");
}

#[tokio::test]
async fn an_account_that_does_not_exist_is_counted_like_one_that_does() {
    let world = World::new().await;
    let ann = Email::parse(&world.user("ann").await.email).unwrap();
    let (throttle, nobody) =
        (throttle(Limits { account: rate("3/1h"), ..OFF }), new_user("bob", Role::User).email);
    for email in [ann, nobody] {
        let attempt = throttle.attempt(Purpose::Login, Subject::Email(&email), None);
        for _allowed in 0..3 {
            throttles::count(&world.db, &attempt).await.unwrap().unwrap();
        }
        let throttled = throttles::count(&world.db, &attempt).await.unwrap().unwrap_err();
        assert_eq!(throttled.scope, Scope::Account);
        assert!(throttled.retry_after > Duration::from_secs(3_590), "{throttled:?}");
    }
}

/// Fails until nothing may be tried any more.
async fn use_up(world: &World, attempt: &Attempt<'_>) -> usize {
    let mut failed = 0;
    while throttles::count(&world.db, attempt).await.unwrap().is_ok() {
        failed += 1;
    }
    failed
}

#[tokio::test]
async fn where_ann_has_logged_in_before_strangers_use_nothing_up() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let email = Email::parse(&ann.email).unwrap();
    let limits =
        Limits { account_address: rate("2/1h"), account: rate("3/1h"), address: rate("5/1h"), ..OFF };
    let throttle = throttle(limits);
    let from = |address: &str| {
        let address = Some(address.parse().unwrap());
        throttle.attempt(Purpose::Login, Subject::Email(&email), address)
    };
    let home = from("2001:db8:1:2::1");
    let new = NewSession {
        remembered: home.remembered_address(),
        refund: throttles::count(&world.db, &home).await.unwrap().unwrap(),
        ..new_session(ann.id, ann.epoch)
    };
    sessions::open(&world.db, &new, &POLICY).await.unwrap().unwrap();

    let mut failed = 0;
    for stranger in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        failed += use_up(&world, &from(stranger)).await;
    }
    assert_eq!(failed, 3, "the account's limit, to which her own login no longer counts");
    // The same home, another of its addresses.
    let home = from("2001:db8:1:2:3:4:5:6");
    assert_eq!(use_up(&world, &home).await, 2, "her own limit, and nothing else");
    assert_eq!(use_up(&world, &from("2001:db8:1:3::1")).await, 0, "elsewhere she waits with the strangers");
}

#[tokio::test]
async fn a_success_takes_one_attempt_back_and_forgives_the_account_at_that_address() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let email = Email::parse(&ann.email).unwrap();
    let limits =
        Limits { account_address: rate("5/1h"), account: rate("100/1h"), address: rate("100/1h"), ..OFF };
    let throttle = throttle(limits);
    let attempt = throttle.attempt(Purpose::Login, Subject::Email(&email), None);
    for _wrong in 0..4 {
        throttles::count(&world.db, &attempt).await.unwrap().unwrap();
    }
    let refund = throttles::count(&world.db, &attempt).await.unwrap().unwrap();
    assert!(throttles::count(&world.db, &attempt).await.unwrap().is_err(), "five have been counted");
    throttles::refund(&world.db, &refund, throttles::Outcome::Succeeded).await.unwrap();
    let rows = world.sql.query("SELECT failures, blocked_until IS NULL FROM throttles ORDER BY 1", &[]).await;
    let rows: Vec<(i32, bool)> = rows.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [(0, true), (4, true), (4, true)]);
}

#[tokio::test]
async fn an_attempt_taken_back_opens_a_limit_that_it_had_reached_and_no_other() {
    let world = World::new().await;
    let throttle = throttle(Limits { address: rate("2/1h"), ..OFF });
    let attempt = throttle.attempt(Purpose::Client, Subject::Client("billing"), None);
    throttles::count(&world.db, &attempt).await.unwrap().unwrap();
    let refund = throttles::count(&world.db, &attempt).await.unwrap().unwrap();
    assert!(throttles::count(&world.db, &attempt).await.unwrap().is_err());
    throttles::refund(&world.db, &refund, throttles::Outcome::Succeeded).await.unwrap();
    throttles::count(&world.db, &attempt).await.unwrap().unwrap();
    let other = throttle.attempt(Purpose::Login, Subject::Client("billing"), None);
    throttles::count(&world.db, &other).await.unwrap().unwrap();
    world.sql.batch_execute("UPDATE throttles SET failures = failures + 1").await.unwrap();
    throttles::refund(&world.db, &refund, throttles::Outcome::Succeeded).await.unwrap();
    assert!(throttles::count(&world.db, &attempt).await.unwrap().is_err(), "others had reached it too");
}
