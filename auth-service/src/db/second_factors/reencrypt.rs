//! All boxes move to the current secret, a few at a time, while logins go on.

use database::{Database, Error};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::accounts::UserId;
use crate::db::schema::second_factors;
use crate::second_factor::{FactorBoxes, FactorId, SealedSecret};
use crate::tokens::root::SecretId;

/// So many rows are read at once.
const BATCH: i64 = 500;

/// What became of the boxes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reencrypted {
    /// How many moved.
    pub moved: usize,
    /// Whose did not open.
    pub refused: Vec<UserId>,
}

type Row = (Uuid, Uuid, Vec<u8>, Vec<u8>);

/// Moves every box to the current secret. What is enrolled meanwhile is under it already.
///
/// # Errors
/// [`Error`] when the database is away or fails; what was moved stays moved.
pub async fn reencrypt(db: &Database, boxes: &FactorBoxes) -> Result<Reencrypted, Error> {
    let mut done = Reencrypted::default();
    let mut after = Uuid::nil();
    loop {
        let rows = batch(db, after).await?;
        let Some((last, ..)) = rows.last() else { return Ok(done) };
        after = *last;
        for row in rows {
            move_one(db, boxes, row, &mut done).await?;
        }
    }
}

async fn batch(db: &Database, after: Uuid) -> Result<Vec<Row>, Error> {
    let rows = second_factors::table
        .filter(second_factors::user_id.gt(after))
        .select((
            second_factors::user_id,
            second_factors::id,
            second_factors::secret_id,
            second_factors::sealed,
        ))
        .order(second_factors::user_id)
        .limit(BATCH);
    db.run(async |connection| rows.load(connection).await).await
}

async fn move_one(
    db: &Database,
    boxes: &FactorBoxes,
    (user, factor, secret_id, sealed): Row,
    done: &mut Reencrypted,
) -> Result<(), Error> {
    let (user, id) = (UserId(user), FactorId(factor));
    let old = SecretId::from_slice(&secret_id).map(|secret_id| SealedSecret { secret_id, bytes: sealed });
    if old.as_ref().is_some_and(|old| boxes.is_current(old)) {
        return Ok(());
    }
    let moved = old.as_ref().and_then(|old| {
        let secret = boxes.open(user, id, old).ok()?;
        boxes.seal(user, id, &secret).ok()
    });
    let Some(moved) = moved else {
        done.refused.push(user);
        return Ok(());
    };
    // One that was replaced or removed meanwhile is none of ours any more.
    let row = second_factors::table.find(user.0).filter(second_factors::id.eq(id.0));
    let set = (
        second_factors::secret_id.eq(moved.secret_id.as_bytes()),
        second_factors::sealed.eq(moved.bytes.as_slice()),
    );
    done.moved += db.run(async |connection| diesel::update(row).set(set).execute(connection).await).await?;
    Ok(())
}
