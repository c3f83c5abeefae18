//! What raises an account's epoch on its owner's behalf (`administration` on others'): each in one transaction with the ends, the revocation and the audit row that follow.
//!
//! The account's row is locked first, and everything is decided on what is read after that. Refreshes and logouts lock
//! nothing but a session and logins only hold the account in place, so nobody here waits in a circle.

use database::{Database, Error};
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Timestamptz};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl};
use secret::Secret;
use serde_json::json;

use super::audit::Kind;
use super::mail_tokens::use_reset;
use super::outbox;
use super::schema::{login_addresses, second_factors, users};
use super::sessions::{EndAll, end_all, lock_asking, lock_user};
use super::users::{USER, User};
use crate::accounts::UserId;
use crate::mail::{MailTokenHash, Notice};
use crate::sessions::{CurrentSession, Device, EndReason, SessionPolicy};
use crate::throttle::Key;

/// In which session something is asked, from where, and how long sessions live.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// In which session.
    pub session: &'a CurrentSession,
    /// From where.
    pub device: &'a Device,
    /// How long sessions live.
    pub policy: &'a SessionPolicy,
}

/// What became of a wish to log out everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedOut {
    /// Every session of the caller has ended.
    Everywhere,
    /// The session that asks had ended before.
    NotAsked,
}

/// Ends all sessions of the caller, the one that asks among them.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn log_out_everywhere(db: &Database, asked: &Asked<'_>) -> Result<LoggedOut, Error> {
    db.run(async |connection| {
        connection
            .transaction(async |connection| {
                let Some(found) = lock_asking(connection, asked.session, asked.policy).await? else {
                    return Ok(LoggedOut::NotAsked);
                };
                let epoch = raise(connection, found.user.id).await?;
                let all = asked.own(epoch, EndReason::LogoutAll, Kind::LogoutAll);
                end_all(connection, &all, asked.policy).await?;
                Ok(LoggedOut::Everywhere)
            })
            .await
    })
    .await
}

/// What became of a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordChanged {
    /// It is the password; every session but the one that asked has ended.
    Done,
    /// The password is no longer the one that was verified.
    Overtaken,
    /// The session that asks has ended.
    NotAsked,
}

/// Replaces the hash that was `verified` by another password's, and has the account's owner told if there is mail.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn change_password(
    db: &Database,
    asked: &Asked<'_>,
    verified: &Secret<String>,
    new: &Secret<String>,
    notice: Option<&Notice>,
) -> Result<PasswordChanged, Error> {
    db.run(async |connection| {
        connection
            .transaction(async |connection| {
                let Some(found) = lock_asking(connection, asked.session, asked.policy).await? else {
                    return Ok(PasswordChanged::NotAsked);
                };
                if found.password_hash.expose() != verified.expose() {
                    return Ok(PasswordChanged::Overtaken);
                }
                let epoch = raise_with_password(connection, found.user.id, new).await?;
                let changed = asked.own(epoch, EndReason::PasswordChanged, Kind::PasswordChanged);
                let others = EndAll { kept: Some(asked.session.session), ..changed };
                end_all(connection, &others, asked.policy).await?;
                tell(connection, notice, &found.user).await?;
                Ok(PasswordChanged::Done)
            })
            .await
    })
    .await
}

/// A password that was forgotten, and the one to come.
#[derive(Debug, Clone, Copy)]
pub struct Reset<'a> {
    /// Whose token was presented.
    pub user: UserId,
    /// The token.
    pub token: &'a MailTokenHash,
    /// The hash of the new password.
    pub new: &'a Secret<String>,
    /// What the owner is told, if there is mail.
    pub notice: Option<&'a Notice>,
    /// From where.
    pub device: &'a Device,
    /// As what the address is remembered: whoever has the account's mail is not held to limits that strangers use up.
    pub remembered: Option<Key>,
    /// How long sessions live.
    pub policy: &'a SessionPolicy,
}

/// Replaces a forgotten password, and ends all sessions of the account. Whoever had the token has the account's mail, or an
/// operator's word, so its address is verified by it. `false`: the token is not good (any more), and nothing was done.
///
/// Until then anybody may have registered the address. What they enrolled would keep its owner out, so it goes with the
/// password.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn reset_password(db: &Database, reset: &Reset<'_>) -> Result<bool, Error> {
    db.run(async |connection| {
        connection
            .transaction(async |connection| {
                lock_user(connection, reset.user).await?;
                if !use_reset(connection, reset.token).await? {
                    return Ok(false);
                }
                drop_what_a_stranger_enrolled(connection, reset.user).await?;
                let user = replace_forgotten(connection, reset).await?;
                if let Some(remembered) = &reset.remembered {
                    remember(connection, reset.user, remembered).await?;
                }
                end_all(connection, &reset.sessions(user.epoch), reset.policy).await?;
                tell(connection, reset.notice, &user).await?;
                Ok(true)
            })
            .await
    })
    .await
}

impl<'a> Reset<'a> {
    fn sessions(&self, epoch: i32) -> EndAll<'a> {
        EndAll {
            user: self.user,
            epoch,
            kept: None,
            reason: EndReason::PasswordChanged,
            kind: Kind::PasswordReset,
            session: None,
            actor: None,
            device: self.device,
            detail: json!({}),
        }
    }
}

/// A second factor, with its recovery codes, and known addresses of an account whose address was never verified.
async fn drop_what_a_stranger_enrolled(connection: &mut AsyncPgConnection, user: UserId) -> QueryResult<()> {
    let unverified = users::table.filter(users::id.eq(user.0)).filter(users::email_verified_at.is_null());
    let is_unverified = diesel::select(diesel::dsl::exists(unverified)).get_result(connection).await?;
    if is_unverified {
        let factors = second_factors::table.filter(second_factors::user_id.eq(user.0));
        diesel::delete(factors).execute(connection).await?;
        let addresses = login_addresses::table.filter(login_addresses::user_id.eq(user.0));
        diesel::delete(addresses).execute(connection).await?;
    }
    Ok(())
}

async fn remember(connection: &mut AsyncPgConnection, user: UserId, address: &Key) -> QueryResult<()> {
    let values = (login_addresses::user_id.eq(user.0), login_addresses::address.eq(address.as_bytes()));
    diesel::insert_into(login_addresses::table)
        .values(values)
        .on_conflict_do_nothing()
        .execute(connection)
        .await
        .map(drop)
}

async fn replace_forgotten(connection: &mut AsyncPgConnection, reset: &Reset<'_>) -> QueryResult<User> {
    let verified_at = diesel::dsl::sql::<Nullable<Timestamptz>>("coalesce(email_verified_at, now())");
    diesel::update(users::table.find(reset.user.0))
        .set((
            users::epoch.eq(users::epoch + 1),
            users::password_hash.eq(reset.new.expose()),
            users::email_verified_at.eq(verified_at),
        ))
        .returning(USER)
        .get_result(connection)
        .await
}

async fn tell(connection: &mut AsyncPgConnection, notice: Option<&Notice>, user: &User) -> QueryResult<()> {
    match notice {
        Some(notice) => outbox::insert(connection, notice, user.id, &user.email, json!({})).await,
        None => Ok(()),
    }
}

async fn raise(connection: &mut AsyncPgConnection, user: UserId) -> QueryResult<i32> {
    diesel::update(users::table.find(user.0))
        .set(users::epoch.eq(users::epoch + 1))
        .returning(users::epoch)
        .get_result(connection)
        .await
}

async fn raise_with_password(
    connection: &mut AsyncPgConnection,
    user: UserId,
    hash: &Secret<String>,
) -> QueryResult<i32> {
    diesel::update(users::table.find(user.0))
        .set((users::epoch.eq(users::epoch + 1), users::password_hash.eq(hash.expose())))
        .returning(users::epoch)
        .get_result(connection)
        .await
}

impl<'a> Asked<'a> {
    /// The caller's own sessions.
    fn own(&self, epoch: i32, reason: EndReason, kind: Kind) -> EndAll<'a> {
        EndAll {
            user: self.session.user,
            epoch,
            kept: None,
            reason,
            kind,
            session: Some(self.session.session),
            actor: None,
            device: self.device,
            detail: json!({}),
        }
    }
}
