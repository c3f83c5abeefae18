//! `signing_keys`: the boxes that `tokens::key_box` closes and opens.

use database::{Database, Error};
use diesel::prelude::*;
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use time::OffsetDateTime;

use super::schema::signing_keys;
use crate::tokens::key_box::SealedKey;
use crate::tokens::root::SecretId;
use crate::tokens::signing_key::Algorithm;

/// Held while the first key is put in, so that replicas on an empty database agree on one. (Any constant will do: "signing".)
const FIRST_KEY_LOCK: i64 = 0x0073_6967_6e69_6e67;

diesel::define_sql_function! {
    /// Waits for an advisory lock that goes with the transaction.
    fn pg_advisory_xact_lock(key: diesel::sql_types::BigInt);
}

type Row = (String, Algorithm, OffsetDateTime, OffsetDateTime, Vec<u8>, Vec<u8>);

/// All keys, opened by nobody yet.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn load(db: &Database) -> Result<Vec<SealedKey>, Error> {
    let rows: Vec<Row> = db.run(async |connection| signing_keys::table.load(connection).await).await?;
    Ok(rows.into_iter().filter_map(sealed_key).collect())
}

/// Puts a key into an empty table; `false` if another replica was faster.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn insert_first(db: &Database, key: &SealedKey) -> Result<bool, Error> {
    let columns = (
        signing_keys::kid.eq(&key.kid),
        signing_keys::algorithm.eq(key.algorithm.as_str()),
        signing_keys::created_at.eq(key.created_at),
        signing_keys::signs_from.eq(key.signs_from),
        signing_keys::secret_id.eq(key.secret_id.as_bytes()),
        signing_keys::sealed.eq(&key.sealed),
    );
    db.run(async |connection| {
        connection
            .transaction(async |connection| {
                diesel::select(pg_advisory_xact_lock(FIRST_KEY_LOCK)).execute(connection).await?;
                let taken: bool =
                    diesel::select(diesel::dsl::exists(signing_keys::table.select(signing_keys::kid)))
                        .get_result(connection)
                        .await?;
                if !taken {
                    diesel::insert_into(signing_keys::table).values(columns).execute(connection).await?;
                }
                Ok(!taken)
            })
            .await
    })
    .await
}

/// The table's check keeps names of secrets at their length, so no row is lost here.
fn sealed_key((kid, algorithm, created_at, signs_from, secret_id, sealed): Row) -> Option<SealedKey> {
    let secret_id = SecretId::from_slice(&secret_id)?;
    Some(SealedKey { kid, algorithm, created_at, signs_from, secret_id, sealed })
}
