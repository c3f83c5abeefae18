//! `mail_tokens`: what the links in mails prove.
//!
//! A token is good while its account has the epoch and the address that it was made for, and is active: a changed password, a
//! logout everywhere, being disabled, each is the end of it, and nobody has to remember to delete anything.

use std::time::Duration;

use database::{Database, Error};
use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Bytea, Interval, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use secret::Secret;
use uuid::Uuid;

use super::audit::Kind;
use super::statement::{interval, prepared, push_given};
use crate::accounts::{Email, UserId};
use crate::mail::{MailTokenHash, Purpose, TokenLetter};
use crate::sessions::Device;

const REQUEST: &str = include_str!("mail_tokens/request.sql");
const VERIFY: &str = include_str!("mail_tokens/verify.sql");
const FIND: &str = include_str!("mail_tokens/find.sql");
const USE: &str = include_str!("mail_tokens/use.sql");

/// Whose token it is to be.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// The account's, if there is one, of this address.
    Address(&'a Email),
    /// This account's.
    Account(UserId),
}

struct Request<'a> {
    purpose: Purpose,
    hash: MailTokenHash,
    /// What is mailed, if anything is.
    mail_id: Option<Uuid>,
    secret_id: Option<&'a [u8]>,
    sealed: Option<&'a [u8]>,
    email: Option<&'a str>,
    user: Option<Uuid>,
    lifetime: PgInterval,
    kind: Kind,
    device: &'a Device,
    address: Option<String>,
    audit_id: Uuid,
}

prepared!(Request selects SqlUuid);

impl QueryFragment<Pg> for Request<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "user_id": Nullable<SqlUuid> = &self.user,
            "email": Nullable<Text> = &self.email,
            "purpose": Text = self.purpose.as_str(),
            "token_hash": Bytea = &self.hash.0,
            "good_for": Interval = &self.lifetime,
            "mail_id": Nullable<SqlUuid> = &self.mail_id,
            "secret_id": Nullable<Bytea> = &self.secret_id,
            "sealed": Nullable<Bytea> = &self.sealed,
            "kind": Text = self.kind.as_str(),
            "address": Nullable<Text> = &self.address,
            "user_agent": Nullable<Text> = &self.device.user_agent,
            "request_id": Nullable<Text> = &self.device.request_id,
            "audit_id": SqlUuid = &self.audit_id,
        );
        out.push_sql(REQUEST);
        Ok(())
    }
}

/// Makes a letter's token the account's only one of its purpose and puts the letter into the outbox, if there is such an account
/// and it has a use for it: one that is disabled has none, nor has a verified address for being verified. One statement whatever
/// there is, with a row for the audit trail in any case.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn request(
    db: &Database,
    whose: Whose<'_>,
    letter: &TokenLetter,
    device: &Device,
) -> Result<(), Error> {
    let kind = match letter.purpose {
        Purpose::VerifyEmail => Kind::VerificationRequested,
        Purpose::ResetPassword => Kind::PasswordResetRequested,
    };
    let token = Token { purpose: letter.purpose, hash: letter.hash, lifetime: letter.lifetime };
    make(db, Request::new(whose, token, Some(letter), kind, device)).await.map(drop)
}

/// Makes a token for an operator, who hands the link on: nothing is mailed. `false`: there is no such account that is active.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn make_for_operator(
    db: &Database,
    email: &Email,
    hash: MailTokenHash,
    lifetime: Duration,
) -> Result<bool, Error> {
    let device = Device::default();
    let token = Token { purpose: Purpose::ResetPassword, hash, lifetime };
    let request = Request::new(Whose::Address(email), token, None, Kind::PasswordResetByOperator, &device);
    make(db, request).await.map(|made| made.is_some())
}

async fn make(db: &Database, request: Request<'_>) -> Result<Option<Uuid>, Error> {
    db.run(async |connection| request.get_result(connection).await.optional()).await
}

/// A token to be stored.
struct Token {
    purpose: Purpose,
    hash: MailTokenHash,
    lifetime: Duration,
}

impl<'a> Request<'a> {
    fn new(
        whose: Whose<'a>,
        Token { purpose, hash, lifetime }: Token,
        letter: Option<&'a TokenLetter>,
        kind: Kind,
        device: &'a Device,
    ) -> Self {
        let (email, user) = match whose {
            Whose::Address(email) => (Some(email.as_str()), None),
            Whose::Account(user) => (None, Some(user.0)),
        };
        Self {
            purpose,
            hash,
            mail_id: letter.map(|letter| letter.id),
            secret_id: letter.map(|letter| letter.sealed.secret_id.as_bytes()),
            sealed: letter.map(|letter| letter.sealed.bytes.as_slice()),
            email,
            user,
            lifetime: interval(lifetime),
            kind,
            device,
            address: device.address_text(),
            audit_id: Uuid::now_v7(),
        }
    }
}

struct Presented<'a> {
    hash: &'a MailTokenHash,
    purpose: Purpose,
    device: &'a Device,
    address: Option<String>,
    audit_id: Uuid,
    sql: &'static str,
}

impl<'a> Presented<'a> {
    fn new(hash: &'a MailTokenHash, purpose: Purpose, device: &'a Device, sql: &'static str) -> Self {
        Self { hash, purpose, device, address: device.address_text(), audit_id: Uuid::now_v7(), sql }
    }

    fn push<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "token_hash": Bytea = &self.hash.0,
            "purpose": Text = self.purpose.as_str(),
            "address": Nullable<Text> = &self.address,
            "user_agent": Nullable<Text> = &self.device.user_agent,
            "request_id": Nullable<Text> = &self.device.request_id,
            "audit_id": SqlUuid = &self.audit_id,
        );
        out.push_sql(self.sql);
        Ok(())
    }
}

/// Marks the address of the token's account as verified and uses the token up. `false`: it is not good. Whoever calls this has
/// compared the password: a new one would have raised the epoch, and ended the token.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn verify(db: &Database, hash: &MailTokenHash, device: &Device) -> Result<bool, Error> {
    let statement = Verify(Presented::new(hash, Purpose::VerifyEmail, device, VERIFY));
    let verified: Option<Uuid> =
        db.run(async |connection| statement.get_result(connection).await.optional()).await?;
    Ok(verified.is_some())
}

/// The account of a token that is good.
#[derive(Debug)]
pub struct Holder {
    /// The account.
    pub user: UserId,
    /// Its address, to which the token was sent.
    pub email: String,
    /// The hash of its password.
    pub password_hash: Secret<String>,
}

/// The account of a token; `None`: it is not good. It is not used by this.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn find(db: &Database, purpose: Purpose, hash: &MailTokenHash) -> Result<Option<Holder>, Error> {
    let device = Device::default();
    let statement = Find(Presented::new(hash, purpose, &device, FIND));
    let found: Option<(Uuid, String, String)> =
        db.run(async |connection| statement.get_result(connection).await.optional()).await?;
    Ok(found.map(|(user, email, password_hash)| Holder {
        user: UserId(user),
        email,
        password_hash: Secret::new(password_hash),
    }))
}

/// Uses up a token for another password, in the transaction that has locked its account. `false`: it is not good (any more).
pub(super) async fn use_reset(connection: &mut AsyncPgConnection, hash: &MailTokenHash) -> QueryResult<bool> {
    let device = Device::default();
    let statement = Use(Presented::new(hash, Purpose::ResetPassword, &device, USE));
    let used: Option<Uuid> = statement.get_result(connection).await.optional()?;
    Ok(used.is_some())
}

struct Verify<'a>(Presented<'a>);
struct Find<'a>(Presented<'a>);
struct Use<'a>(Presented<'a>);

prepared!(Verify selects SqlUuid);
prepared!(Find selects (SqlUuid, Text, Text));
prepared!(Use selects SqlUuid);

macro_rules! presented {
    ($($statement:ident),+) => {$(
        impl QueryFragment<Pg> for $statement<'_> {
            fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                self.0.push(out)
            }
        }
    )+};
}

presented!(Verify, Find, Use);
