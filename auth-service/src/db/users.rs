//! `users`: accounts as they are stored.

use database::{Database, Error};
use diesel::prelude::*;
use diesel::sql_types::{Int4, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use secret::Secret;
use time::OffsetDateTime;

use super::schema::users;
use crate::accounts::{AccountStatus, Email, Role, UserId};

/// An account, without its password.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its normalised address.
    pub email: String,
    /// What it may do.
    pub role: Role,
    /// Whether it may log in.
    pub status: AccountStatus,
    /// Raised when what was issued before must stop working.
    pub epoch: i32,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// What a login compares: the account, and the hash that was read together with its epoch.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The account.
    pub user: User,
    /// The hash of its password.
    pub password_hash: Secret<String>,
    /// Whether its address is verified.
    pub email_verified: bool,
}

/// The columns of [`CredentialsRow`], in its order.
pub(super) type CredentialsColumns =
    (SqlUuid, Text, Text, Text, Int4, Timestamptz, Text, Nullable<Timestamptz>);

/// [`Credentials`] as hand-written statements read them.
#[derive(Queryable)]
pub(super) struct CredentialsRow {
    id: UserId,
    email: String,
    role: Role,
    status: AccountStatus,
    epoch: i32,
    created_at: OffsetDateTime,
    password_hash: String,
    email_verified_at: Option<OffsetDateTime>,
}

impl CredentialsRow {
    pub(super) fn credentials(self) -> Credentials {
        let Self { id, email, role, status, epoch, created_at, password_hash, email_verified_at } = self;
        Credentials {
            user: User { id, email, role, status, epoch, created_at },
            password_hash: Secret::new(password_hash),
            email_verified: email_verified_at.is_some(),
        }
    }
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Its id.
    pub id: UserId,
    /// Its address.
    pub email: Email,
    /// The hash of its password.
    pub password_hash: Secret<String>,
    /// What it may do.
    pub role: Role,
}

/// Why an account could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InsertError {
    /// Another account has the address.
    #[error("this e-mail address has an account already")]
    EmailTaken,
    /// The database could not do it.
    #[error(transparent)]
    Database(#[from] Error),
}

/// The constraint that keeps one account to an address.
pub(super) const UNIQUE_EMAIL: &str = "users_email_key";

/// The columns of [`User`], in its order.
type UserColumns = (users::id, users::email, users::role, users::status, users::epoch, users::created_at);
pub(super) const USER: UserColumns =
    (users::id, users::email, users::role, users::status, users::epoch, users::created_at);

/// Makes an account. An account with the role ADMIN ends bootstrap for good.
///
/// # Errors
/// [`InsertError::EmailTaken`] when the address has an account already.
pub async fn insert(db: &Database, new: &NewUser) -> Result<User, InsertError> {
    db.run(async |connection| insert_in(connection, new).await).await?.ok_or(InsertError::EmailTaken)
}

/// The same in a transaction; `None`: the address has an account already.
///
/// That is no error to PostgreSQL: it would write the address into its own log.
pub(super) async fn insert_in(
    connection: &mut AsyncPgConnection,
    new: &NewUser,
) -> QueryResult<Option<User>> {
    let values = (
        users::id.eq(new.id.0),
        users::email.eq(new.email.as_str()),
        users::password_hash.eq(new.password_hash.expose()),
        users::role.eq(new.role.as_str()),
    );
    diesel::insert_into(users::table)
        .values(values)
        .on_conflict(users::email)
        .do_nothing()
        .returning(USER)
        .get_result(connection)
        .await
        .optional()
}
