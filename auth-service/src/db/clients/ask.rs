//! Who somebody says to be, and what is known of a token: one statement for all that clients ask.

use database::{Database, Error};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Bytea, Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accounts::{AccountStatus, Role, UserId};
use crate::clients::introspection::{Owned, Standing, Subject};
use crate::clients::{Client, ClientId, Scopes, SecretHash};
use crate::db::statement::{prepared, push_given};
use crate::sessions::{Delivery, EndReason, SessionRow};
use crate::tokens::refresh_token::NonceHash;

const ASK: &str = include_str!("ask.sql");

struct Ask<'a> {
    client_id: &'a str,
    session_id: Option<Uuid>,
    subject_client: Option<&'a str>,
}

type Columns = (
    Timestamptz,
    // The client.
    (
        Nullable<Text>,
        Nullable<Bytea>,
        Nullable<Bytea>,
        Nullable<Timestamptz>,
        Nullable<Array<Text>>,
        Nullable<Int4>,
    ),
    // The session.
    (
        Nullable<SqlUuid>,
        Nullable<Int8>,
        Nullable<Timestamptz>,
        Nullable<Bytea>,
        Nullable<Text>,
        Nullable<Int4>,
        Nullable<Timestamptz>,
        Nullable<Text>,
    ),
    // Its owner.
    (Nullable<Text>, Nullable<Text>, Nullable<Text>, Nullable<Int4>),
    // The token's client.
    Nullable<Int4>,
);

prepared!(Ask selects Columns);

impl QueryFragment<Pg> for Ask<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "client_id": Text = self.client_id,
            "session_id": Nullable<SqlUuid> = &self.session_id,
            "subject_client": Nullable<Text> = &self.subject_client,
        );
        out.push_sql(ASK);
        Ok(())
    }
}

/// What the database says, all of it at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// That moment.
    pub now: OffsetDateTime,
    /// The client, if there is one of that name.
    pub client: Option<Client>,
    /// What is known of the token.
    pub standing: Standing,
}

#[derive(Queryable)]
struct Row {
    now: OffsetDateTime,
    client: ClientRow,
    session: SessionColumns,
    owner: OwnerRow,
    subject_epoch: Option<i32>,
}

#[derive(Queryable)]
struct ClientRow {
    id: Option<String>,
    secret: Option<SecretHash>,
    previous: Option<SecretHash>,
    previous_until: Option<OffsetDateTime>,
    scopes: Option<Vec<String>>,
    epoch: Option<i32>,
}

#[derive(Queryable)]
struct SessionColumns {
    user: Option<UserId>,
    generation: Option<i64>,
    rotated_at: Option<OffsetDateTime>,
    nonce_hash: Option<NonceHash>,
    delivery: Option<Delivery>,
    epoch: Option<i32>,
    expires_at: Option<OffsetDateTime>,
    ended: Option<EndReason>,
}

#[derive(Queryable)]
struct OwnerRow {
    email: Option<String>,
    role: Option<Role>,
    status: Option<AccountStatus>,
    epoch: Option<i32>,
}

/// Asks for a client, and for what `subject` stands on.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn ask(db: &Database, id: &ClientId, subject: Option<&Subject>) -> Result<Answer, Error> {
    let statement = Ask {
        client_id: id.as_str(),
        session_id: subject.and_then(Subject::session).map(|session| session.0),
        subject_client: subject.and_then(Subject::client),
    };
    let row: Row = db.hot(async |connection| statement.get_result(connection).await).await?;
    let owned = row.session.owned(row.owner);
    let standing = Standing { owned, client_epoch: row.subject_epoch };
    Ok(Answer { now: row.now, client: row.client.client(), standing })
}

impl ClientRow {
    fn client(self) -> Option<Client> {
        Some(Client {
            id: self.id?.parse().ok()?,
            secret: self.secret?,
            previous: self.previous.zip(self.previous_until),
            scopes: Scopes::stored(self.scopes?),
            epoch: self.epoch?,
        })
    }
}

impl SessionColumns {
    fn owned(self, owner: OwnerRow) -> Option<Owned> {
        let session = SessionRow {
            generation: self.generation?,
            rotated_at: self.rotated_at?,
            nonce_hash: self.nonce_hash?,
            delivery: self.delivery?,
            epoch: self.epoch?,
            expires_at: self.expires_at?,
            ended: self.ended,
            user_epoch: owner.epoch?,
            user_status: owner.status?,
        };
        Some(Owned { session, user: self.user?, email: owner.email?, role: owner.role? })
    }
}
