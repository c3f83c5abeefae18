//! An account taken away, with everything that is its own. What others hold of it by its id, the audit trail among them, stays.

use database::Database;
use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Int4, Interval, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Mandate, NotDone, lock_administration, lock_for, standing};
use crate::accounts::UserId;
use crate::accounts::administration::may_remove;
use crate::db::schema::users;
use crate::db::statement::{interval, prepared, push_given};
use crate::db::users::User;

const DELETE: &str = include_str!("delete.sql");

struct Delete<'a> {
    mandate: &'a Mandate<'a>,
    user: UserId,
    least_epoch: i32,
    revoked_for: PgInterval,
    actor: Option<Uuid>,
    address: Option<String>,
    detail: Value,
    audit_id: Uuid,
}

prepared!(Delete selects ());

impl QueryFragment<Pg> for Delete<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "user_id": SqlUuid = &self.user.0,
            "least_epoch": Int4 = &self.least_epoch,
            "revoked_for": Interval = &self.revoked_for,
            "actor_id": Nullable<SqlUuid> = &self.actor,
            "address": Nullable<Text> = &self.address,
            "user_agent": Nullable<Text> = &self.mandate.device.user_agent,
            "request_id": Nullable<Text> = &self.mandate.device.request_id,
            "detail": Jsonb = &self.detail,
            "audit_id": SqlUuid = &self.audit_id,
        );
        out.push_sql(DELETE);
        Ok(())
    }
}

/// Takes an account away, unless nobody would be left to administer anything. Answers what it was.
///
/// # Errors
/// [`NotDone`]
pub async fn delete_account(db: &Database, mandate: &Mandate<'_>, user: UserId) -> Result<User, NotDone> {
    db.run(async |connection| {
        connection
            .transaction(async |connection| {
                lock_administration(connection).await?;
                hold_for_deletion(connection, user).await?;
                let before = match lock_for(connection, mandate, user).await? {
                    Ok(before) => before,
                    Err(not_done) => return Ok(Err(not_done)),
                };
                match may_remove(&standing(connection, &before).await?) {
                    Ok(()) => delete(connection, mandate, before).await.map(Ok),
                    Err(last_admin) => Ok(Err(last_admin.into())),
                }
            })
            .await
    })
    .await?
}

/// A login holds the account in place and may then write a better hash into it: it comes before or after, not in between.
async fn hold_for_deletion(connection: &mut AsyncPgConnection, user: UserId) -> QueryResult<()> {
    let account = users::table.find(user.0).select(users::id).for_update();
    account.first::<Uuid>(connection).await.optional().map(drop)
}

async fn delete(
    connection: &mut AsyncPgConnection,
    mandate: &Mandate<'_>,
    before: User,
) -> QueryResult<User> {
    let was = json!({"email": before.email, "role": before.role, "status": before.status});
    let statement = Delete {
        mandate,
        user: before.id,
        least_epoch: before.epoch + 1,
        revoked_for: interval(mandate.policy.revoked_for()),
        actor: mandate.actor().map(|actor| actor.0),
        address: mandate.device.address_text(),
        detail: mandate.detail(json!({"was": was})),
        audit_id: Uuid::now_v7(),
    };
    statement.execute(connection).await?;
    Ok(before)
}
