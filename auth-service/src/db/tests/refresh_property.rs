//! The statement against the page that people read: `sessions::refresh::decide`.
//!
//! Each case is a row, a token and a time. In a transaction `now()` stands still, so the row's times can be put at exact
//! distances from it, to the microsecond. A few are presented together, as they are when there is much to do, or one by one.

use std::collections::HashMap;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use diesel_async::{AnsiTransactionManager, AsyncPgConnection, RunQueryDsl, TransactionManager as _};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use time::OffsetDateTime;

use super::actors::{POLICY, World, device};
use crate::accounts::{AccountStatus, Email, UserId};
use crate::db::schema::{audit_events, revocations, sessions, users};
use crate::db::sessions::{Asked, Refreshed, present, rotate_many};
use crate::sessions::{Decision, Delivery, EndReason, SessionId, SessionPolicy, SessionRow, Step, decide};
use crate::tokens::refresh_token::{Nonce, RefreshToken};

const CASES: u32 = 1_000;

/// A row by its distances from `now`, and what is presented.
#[derive(Debug, Clone)]
struct Case {
    generation: i64,
    /// How long ago the row rotated; negative when a racer's clock was ahead.
    rotated: i64,
    /// How long the row has until its absolute expiry.
    expires: i64,
    ended: Option<EndReason>,
    /// The account's epoch less the session's.
    behind: i32,
    disabled: bool,
    delivery: Delivery,
    presented: i64,
    presented_delivery: Delivery,
    right_nonce: bool,
}

const SECOND: i64 = 1_000_000;

fn microseconds(count: i64) -> Duration {
    Duration::from_micros(count.unsigned_abs())
}

prop_compose! {
    fn policy()(grace in prop_oneof![Just(0), Just(10 * SECOND), 0..100 * SECOND], idle in 100 * SECOND..10_000 * SECOND)
        -> SessionPolicy {
        SessionPolicy { grace: microseconds(grace), idle: microseconds(idle), ..POLICY }
    }
}

/// A distance that is often within a microsecond of one that matters.
fn near(edges: Vec<i64>, furthest: i64) -> impl Strategy<Value = i64> {
    prop_oneof![
        3 => (proptest::sample::select(edges), -1i64..=1).prop_map(|(edge, off)| edge + off),
        1 => -SECOND..furthest,
    ]
}

fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![Just(Delivery::Cookie), Just(Delivery::Body)]
}

fn mostly(usual: bool) -> impl Strategy<Value = bool> {
    prop_oneof![9 => Just(usual), 1 => Just(!usual)]
}

/// Some cases that are presented together.
#[derive(Debug, Clone)]
struct Cases {
    policy: SessionPolicy,
    /// Together, or each alone.
    together: bool,
    cases: Vec<Case>,
}

fn cases() -> impl Strategy<Value = Cases> {
    (policy(), any::<bool>()).prop_flat_map(|(policy, together)| {
        proptest::collection::vec(case(policy), 1..4).prop_map(move |cases| Cases { policy, together, cases })
    })
}

fn case(policy: SessionPolicy) -> impl Strategy<Value = Case> {
    let length = |duration: Duration| i64::try_from(duration.as_micros()).unwrap();
    let (grace, idle) = (length(policy.grace), length(policy.idle));
    let times = (near(vec![0, grace, grace, idle], 2 * idle), near(vec![0, idle, 2 * idle], 3 * idle));
    let generations = (0i64..6).prop_flat_map(|row| (Just(row), (row - 3).max(0)..row + 4));
    let ended = prop_oneof![9 => Just(None), 1 => proptest::sample::select(&EndReason::ALL).prop_map(Some)];
    let account = (ended, prop_oneof![8 => Just(0), 1 => Just(1), 1 => Just(-1)], mostly(false));
    let token = (delivery(), mostly(true), mostly(true));
    (times, generations, account, token).prop_map(|(times, generations, account, token)| {
        let (rotated, expires) = times;
        let (delivery, same_delivery, right_nonce) = token;
        let other = if delivery == Delivery::Body { Delivery::Cookie } else { Delivery::Body };
        Case {
            generation: generations.0,
            rotated,
            expires,
            ended: account.0,
            behind: account.1,
            disabled: account.2,
            delivery,
            presented: generations.1,
            presented_delivery: if same_delivery { delivery } else { other },
            right_nonce,
        }
    })
}

/// The row that `decide` is shown, and that the statement finds.
fn row(case: &Case, nonce: &Nonce, now: OffsetDateTime) -> SessionRow {
    SessionRow {
        generation: case.generation,
        rotated_at: now - time::Duration::microseconds(case.rotated),
        nonce_hash: nonce.hash(),
        delivery: case.delivery,
        epoch: 5,
        expires_at: now + time::Duration::microseconds(case.expires),
        ended: case.ended,
        user_epoch: 5 + case.behind,
        user_status: if case.disabled { AccountStatus::Disabled } else { AccountStatus::Active },
    }
}

/// What the statement did, in the words of `decide`.
fn did(refreshed: &Refreshed) -> Decision {
    match refreshed {
        Refreshed::Continued(continued) => {
            Decision::Continue { step: continued.step, generation: continued.session.generation }
        }
        Refreshed::Ended(ending) => Decision::End(*ending),
        Refreshed::Refused(refusal) => Decision::Refuse(*refusal),
    }
}

/// What must stand in the row afterwards, and how much in the audit trail and among the revocations.
fn expected_row(
    before: &SessionRow,
    decision: Decision,
    now: OffsetDateTime,
) -> (i64, OffsetDateTime, Option<EndReason>, i64, i64) {
    match decision {
        Decision::Continue { generation, .. } if generation != before.generation => {
            (generation, now, None, 0, 0)
        }
        Decision::Continue { .. } | Decision::Refuse(_) => {
            (before.generation, before.rotated_at, before.ended, 0, 0)
        }
        Decision::End(ending) => (before.generation, before.rotated_at, Some(ending.into()), 1, 1),
    }
}

/// A row that has been inserted, and what is presented to it.
struct Told {
    row: SessionRow,
    asked: Asked,
}

async fn check(connection: &mut AsyncPgConnection, cases: &Cases) -> Result<(), TestCaseError> {
    let now: OffsetDateTime =
        diesel::select(diesel::dsl::now.into_sql::<Timestamptz>()).get_result(connection).await.unwrap();
    let mut told = Vec::new();
    for case in &cases.cases {
        told.push(tell(connection, case, now).await);
    }
    told.sort_by_key(|told| told.asked.token.session_id);
    let asked: Vec<_> = told.iter().map(|told| &told.asked).collect();
    let mut rotated = match cases.together {
        true => rotate_many(&mut &*connection, &asked, &cases.policy).await.unwrap(),
        false => HashMap::new(),
    };
    for Told { row, asked: Asked { token, device } } in &told {
        let expected = decide(row, token, &cases.policy, now);
        let actual = match rotated.remove(&token.session_id) {
            Some(rotated) => rotated,
            None => {
                let is_plain = matches!(expected, Decision::Continue { step: Step::Rotated, .. });
                prop_assert!(!(cases.together && is_plain), "it should have rotated with the others");
                present(&mut &*connection, token, device, &cases.policy).await.unwrap()
            }
        };
        prop_assert_eq!(did(&actual), expected);
        check_row(connection, row, token.session_id, expected, &cases.policy, now).await?;
    }
    prop_assert!(rotated.is_empty());
    Ok(())
}

async fn tell(connection: &mut AsyncPgConnection, case: &Case, now: OffsetDateTime) -> Told {
    let nonce = Nonce::generate();
    let row = row(case, &nonce, now);
    let id = insert(connection, &row, now).await.unwrap();
    let presented_nonce = if case.right_nonce { nonce } else { Nonce::generate() };
    let token =
        RefreshToken::first(id, case.presented_delivery, presented_nonce).at_generation(case.presented);
    Told { row, asked: Asked { token, device: device("192.0.2.1") } }
}

/// The row, the audit trail and the revocations after `expected` was done.
async fn check_row(
    connection: &mut AsyncPgConnection,
    before: &SessionRow,
    id: SessionId,
    expected: Decision,
    policy: &SessionPolicy,
    now: OffsetDateTime,
) -> Result<(), TestCaseError> {
    let (generation, rotated_at, ended): (i64, OffsetDateTime, Option<EndReason>) = sessions::table
        .find(id.0)
        .select((sessions::generation, sessions::rotated_at, sessions::ended_reason))
        .first(connection)
        .await
        .unwrap();
    let audited: i64 = audit_events::table
        .filter(audit_events::session_id.eq(id.0))
        .count()
        .get_result(connection)
        .await
        .unwrap();
    let revoked: i64 = revocations::table
        .filter(revocations::session_id.eq(id.0))
        .filter(revocations::expires_at.eq(now + policy.revoked_for()))
        .count()
        .get_result(connection)
        .await
        .unwrap();
    prop_assert_eq!((generation, rotated_at, ended, audited, revoked), expected_row(before, expected, now));
    Ok(())
}

async fn insert(
    connection: &mut AsyncPgConnection,
    row: &SessionRow,
    now: OffsetDateTime,
) -> QueryResult<SessionId> {
    let (user, id) = (UserId::generate(), SessionId::generate());
    let email = Email::parse(&format!("{user}@example.com")).unwrap();
    diesel::insert_into(users::table)
        .values((
            users::id.eq(user.0),
            users::email.eq(email.as_str()),
            users::password_hash.eq("hash"),
            users::role.eq("USER"),
            users::status.eq(row.user_status.as_str()),
            users::epoch.eq(row.user_epoch),
        ))
        .execute(connection)
        .await?;
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(id.0),
            sessions::user_id.eq(user.0),
            sessions::created_at.eq(now),
            sessions::expires_at.eq(row.expires_at),
            sessions::generation.eq(row.generation),
            sessions::rotated_at.eq(row.rotated_at),
            sessions::epoch.eq(row.epoch),
            sessions::nonce_hash.eq(row.nonce_hash.0.as_slice()),
            sessions::delivery.eq(row.delivery.as_str()),
            sessions::amr.eq(vec!["pwd"]),
            sessions::ended_at.eq(row.ended.map(|_| now - time::Duration::SECOND)),
            sessions::ended_reason.eq(row.ended.map(EndReason::as_str)),
        ))
        .execute(connection)
        .await?;
    Ok(id)
}

#[test]
fn the_statement_does_what_the_page_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let url = world.database.url().parse().unwrap();
    let mut connection = runtime.block_on(database::connect(&url)).unwrap();
    let connection = std::cell::RefCell::new(&mut connection);
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&cases(), |cases| {
            let connection = &mut **connection.borrow_mut();
            runtime.block_on(async {
                AnsiTransactionManager::begin_transaction(connection).await.unwrap();
                let checked = check(connection, &cases).await;
                AnsiTransactionManager::rollback_transaction(connection).await.unwrap();
                checked
            })
        })
        .unwrap();
}
