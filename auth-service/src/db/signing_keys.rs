//! `signing_keys`: the boxes that `tokens::key_box` closes and opens.

use std::time::Duration;

use database::{Database, Error};
use diesel::prelude::*;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use time::OffsetDateTime;

use super::audit::{self, Event, Kind};
use super::schema::{revocations, signing_keys};
use crate::sessions::Device;
use crate::tokens::key_box::SealedKey;
use crate::tokens::locksmith::{Changes, KeyChange, StoredKeys};
use crate::tokens::root::SecretId;
use crate::tokens::rotation::{KeyLabel, KeyTimes};
use crate::tokens::signing_key::Algorithm;

/// Held from the reading of the keys to their change, so that replicas and commands take turns, and replicas on an empty
/// database agree on one first key. (Any constant will do: "signing".)
const LOCK: i64 = 0x0073_6967_6e69_6e67;

diesel::define_sql_function! {
    /// Waits for an advisory lock that goes with the transaction.
    fn pg_advisory_xact_lock(key: diesel::sql_types::BigInt);
}

diesel::define_sql_function! {
    /// The time, and not that of the transaction's begin: that may lie before the wait for the lock.
    fn clock_timestamp() -> diesel::sql_types::Timestamptz;
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = signing_keys, primary_key(kid))]
struct Columns<'a> {
    kid: &'a str,
    algorithm: &'a str,
    created_at: OffsetDateTime,
    signs_from: OffsetDateTime,
    secret_id: &'a [u8],
    sealed: &'a [u8],
    token_seconds: i32,
}

type Row = (String, Algorithm, OffsetDateTime, OffsetDateTime, Vec<u8>, Vec<u8>, i32);

/// All keys.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn load(db: &Database) -> Result<StoredKeys, Error> {
    db.run(async |connection| read(connection).await).await
}

/// Lets `decide` say what is to become of the keys, and does it, while nobody else can. When it refuses, nothing is done.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn change<T: Send, E: Send>(
    db: &Database,
    decide: impl FnOnce(&StoredKeys) -> Result<Changes<T>, E> + Send,
) -> Result<Result<Changes<T>, E>, Error> {
    db.run(async |connection| {
        connection
            .transaction(async |connection| {
                diesel::select(pg_advisory_xact_lock(LOCK)).execute(connection).await?;
                let decided = decide(&read(connection).await?);
                if let Ok(Changes { changes, .. }) = &decided {
                    for change in changes {
                        apply(connection, change).await?;
                        record(connection, change).await?;
                    }
                }
                Ok(decided)
            })
            .await
    })
    .await
}

/// The clock before the rows: a key that another replica makes meanwhile is of the future then, not of the past.
async fn read(connection: &mut AsyncPgConnection) -> QueryResult<StoredKeys> {
    let now = diesel::select(clock_timestamp()).get_result(connection).await?;
    let rows: Vec<Row> = signing_keys::table.order(signing_keys::created_at).load(connection).await?;
    Ok(StoredKeys { now, keys: rows.into_iter().filter_map(sealed_key).collect() })
}

async fn apply(connection: &mut AsyncPgConnection, change: &KeyChange) -> QueryResult<usize> {
    match change {
        KeyChange::Insert(key) => {
            diesel::insert_into(signing_keys::table).values(Columns::of(key)).execute(connection).await
        }
        KeyChange::Replace(key) => {
            let row = signing_keys::table.find(&key.label.kid);
            diesel::update(row).set(Columns::of(key)).execute(connection).await
        }
        KeyChange::Delete(kid) => diesel::delete(signing_keys::table.find(kid)).execute(connection).await,
        KeyChange::Revoke(kid, until) => {
            diesel::delete(signing_keys::table.find(kid)).execute(connection).await?;
            let revoked =
                (revocations::kind.eq("key"), revocations::kid.eq(kid), revocations::expires_at.eq(until));
            diesel::insert_into(revocations::table).values(revoked).execute(connection).await
        }
    }
}

/// Whether time did it or a command, it is in the audit trail.
async fn record(connection: &mut AsyncPgConnection, change: &KeyChange) -> QueryResult<()> {
    let kind = match change {
        KeyChange::Insert(_) => Kind::SigningKeyMade,
        KeyChange::Replace(_) => Kind::SigningKeyResealed,
        KeyChange::Delete(_) => Kind::SigningKeyDeleted,
        KeyChange::Revoke(..) => Kind::SigningKeyRevoked,
    };
    let (device, detail) = (Device::default(), json!({"kid": change.kid()}));
    let event = Event { kind, user: None, session: None, actor: None, device: &device, detail };
    audit::insert(connection, &event).await
}

impl<'a> Columns<'a> {
    fn of(key: &'a SealedKey) -> Self {
        let KeyLabel { kid, algorithm, times } = &key.label;
        Self {
            kid,
            algorithm: algorithm.as_str(),
            created_at: times.created_at,
            signs_from: times.signs_from,
            secret_id: key.secret_id.as_bytes(),
            sealed: &key.sealed,
            // The settings allow a day.
            token_seconds: i32::try_from(times.token_lifetime.as_secs()).unwrap_or(i32::MAX),
        }
    }
}

/// The table's checks keep names of secrets at their length and lifetimes above zero, so no row is lost here.
fn sealed_key(row: Row) -> Option<SealedKey> {
    let (kid, algorithm, created_at, signs_from, secret_id, sealed, token_seconds) = row;
    let token_lifetime = Duration::from_secs(token_seconds.try_into().ok()?);
    let times = KeyTimes { created_at, signs_from, token_lifetime };
    let secret_id = SecretId::from_slice(&secret_id)?;
    Some(SealedKey { label: KeyLabel { kid, algorithm, times }, secret_id, sealed })
}
