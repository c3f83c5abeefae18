//! `users`: accounts as they are stored.

use database::{Database, Error};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
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

/// The account of an address, with what its password is compared to.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn find_for_login(db: &Database, email: &Email) -> Result<Option<Credentials>, Error> {
    let found: Option<(User, String)> = db
        .hot(async |connection| {
            users::table
                .filter(users::email.eq(email.as_str()))
                .select((USER, users::password_hash))
                .first(connection)
                .await
                .optional()
        })
        .await?;
    Ok(found.map(|(user, hash)| Credentials { user, password_hash: Secret::new(hash) }))
}

/// Makes an account. An account with the role ADMIN ends bootstrap for good.
///
/// An address that is taken is no error to PostgreSQL: it would write the address into its own log.
///
/// # Errors
/// [`InsertError::EmailTaken`] when the address has an account already.
pub async fn insert(db: &Database, new: &NewUser) -> Result<User, InsertError> {
    let values = (
        users::id.eq(new.id.0),
        users::email.eq(new.email.as_str()),
        users::password_hash.eq(new.password_hash.expose()),
        users::role.eq(new.role.as_str()),
    );
    let made: Option<User> = db
        .run(async |connection| {
            diesel::insert_into(users::table)
                .values(values)
                .on_conflict(users::email)
                .do_nothing()
                .returning(USER)
                .get_result(connection)
                .await
                .optional()
        })
        .await?;
    made.ok_or(InsertError::EmailTaken)
}

/// Replaces the hash of an account by a costlier one of the same password, if it is still the one that was verified.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn replace_hash(
    db: &Database,
    id: UserId,
    verified: &Secret<String>,
    rehashed: &Secret<String>,
) -> Result<(), Error> {
    let changed = users::table.filter(users::id.eq(id.0)).filter(users::password_hash.eq(verified.expose()));
    db.run(async |connection| {
        diesel::update(changed).set(users::password_hash.eq(rehashed.expose())).execute(connection).await
    })
    .await
    .map(|_rows| ())
}

/// All accounts, the oldest first, for an operator's eyes.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn list(db: &Database) -> Result<Vec<User>, Error> {
    db.run(async |connection| users::table.select(USER).order(users::id).load(connection).await).await
}
