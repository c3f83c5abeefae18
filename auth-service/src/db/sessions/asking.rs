//! The session in which somebody asks for something, looked at again: the gateway's word for it may be a moment old.

use database::{Database, Error};
use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Interval, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::accounts::UserId;
use crate::db::schema::users;
use crate::db::statement::{interval, prepared, push_given};
use crate::db::users::{Credentials, CredentialsColumns, CredentialsRow};
use crate::sessions::{CurrentSession, SessionPolicy};

const ASK: &str = concat!(
    include_str!("asking.sql"),
    "SELECT id, email, role, status, epoch, created_at, password_hash, email_verified_at FROM asking"
);

struct Ask<'a> {
    asking: &'a CurrentSession,
    idle: PgInterval,
}

prepared!(Ask selects CredentialsColumns);

impl QueryFragment<Pg> for Ask<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "asking_session": SqlUuid = &self.asking.session.0,
            "asking_user": SqlUuid = &self.asking.user.0,
            "idle": Interval = &self.idle,
        );
        out.push_sql(ASK);
        Ok(())
    }
}

/// The account of a live session, with what its password is compared to. `None`: the session has ended.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn find_asking(
    db: &Database,
    asking: &CurrentSession,
    policy: &SessionPolicy,
) -> Result<Option<Credentials>, Error> {
    db.run(async |connection| ask(connection, asking, policy).await).await
}

/// The same in a transaction that has locked the account: what it says then stands until the end of the transaction, but
/// for a logout of the session itself.
pub(in crate::db) async fn lock_asking(
    connection: &mut AsyncPgConnection,
    asking: &CurrentSession,
    policy: &SessionPolicy,
) -> QueryResult<Option<Credentials>> {
    lock_user(connection, asking.user).await?;
    ask(connection, asking, policy).await
}

/// Locks an account, if there is one, against every other change of it. Whatever is read afterwards is what the change before
/// this one left, because each statement of a transaction sees what is committed when it starts.
pub(in crate::db) async fn lock_user(connection: &mut AsyncPgConnection, user: UserId) -> QueryResult<()> {
    let account = users::table.find(user.0).select(users::id).for_no_key_update();
    account.first::<Uuid>(connection).await.optional().map(drop)
}

/// The same as things stand.
pub(in crate::db) async fn ask(
    connection: &mut AsyncPgConnection,
    asking: &CurrentSession,
    policy: &SessionPolicy,
) -> QueryResult<Option<Credentials>> {
    let statement = Ask { asking, idle: interval(policy.idle) };
    let found: Option<CredentialsRow> = statement.get_result(connection).await.optional()?;
    Ok(found.map(CredentialsRow::credentials))
}
