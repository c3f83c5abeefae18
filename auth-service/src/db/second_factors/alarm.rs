//! Somebody has an account's password and tries codes: on record, and told to its owner.

use database::{Database, Error};
use diesel::prelude::*;
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use serde_json::json;

use crate::accounts::UserId;
use crate::db::audit::{self, Event};
use crate::db::outbox;
use crate::db::schema::users;
use crate::mail::Notice;
use crate::sessions::Device;

/// Records that codes are being tried and, where there is mail, has the owner told. `device` is that of the last attempt.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn raise_alarm(
    db: &Database,
    user: UserId,
    device: &Device,
    notice: Option<&Notice>,
) -> Result<(), Error> {
    let event = Event::second_factor_suspected(user, device);
    let email = users::table.find(user.0).select(users::email);
    let detail = json!({"address": device.address_text(), "userAgent": device.user_agent});
    db.run(async |connection| {
        connection
            .transaction(async |connection| {
                audit::insert(connection, &event).await?;
                let recipient: Option<String> = email.for_key_share().first(connection).await.optional()?;
                match (notice, recipient) {
                    (Some(notice), Some(to)) => {
                        outbox::insert(connection, notice, user, &to, detail.clone()).await
                    }
                    (None, _) | (_, None) => Ok(()),
                }
            })
            .await
    })
    .await
}
