//! A registration where there is mail: one statement that writes about as much for an address that has an account as for one
//! that has none, so that its answer tells nothing. (Whoever then logs in with the password learns whether it made the account.)

use database::{Database, Error};
use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Bytea, Interval, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use secret::Secret;
use uuid::Uuid;

use super::statement::{interval, prepared, push_given};
use crate::accounts::{Email, UserId};
use crate::mail::{Notice, TokenLetter};
use crate::sessions::Device;

const REGISTER: &str = include_str!("registration.sql");

/// What somebody wants to register with, and the two mails of which one will be sent.
#[derive(Debug)]
pub struct Registration<'a> {
    /// The account's id, if it is made.
    pub user: UserId,
    /// Its address.
    pub email: &'a Email,
    /// The hash of its password.
    pub password_hash: &'a Secret<String>,
    /// What a new account gets.
    pub letter: &'a TokenLetter,
    /// What the owner of an old one gets.
    pub notice: &'a Notice,
    /// From where.
    pub device: &'a Device,
}

struct Register<'a> {
    new: &'a Registration<'a>,
    good_for: PgInterval,
    notice_for: PgInterval,
    address: Option<String>,
    audit_id: Uuid,
}

prepared!(Register selects ());

impl QueryFragment<Pg> for Register<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Registration { user, email, password_hash, letter, device, notice: _ } = self.new;
        push_given!(out,
            "user_id": SqlUuid = &user.0,
            "email": Text = email.as_str(),
            "password_hash": Text = password_hash.expose(),
            "token_hash": Bytea = &letter.hash.0,
            "good_for": Interval = &self.good_for,
            "mail_id": SqlUuid = &letter.id,
            "secret_id": Bytea = letter.sealed.secret_id.as_bytes(),
            "sealed": Bytea = &letter.sealed.bytes,
            "notice_for": Interval = &self.notice_for,
            "address": Nullable<Text> = &self.address,
            "user_agent": Nullable<Text> = &device.user_agent,
            "request_id": Nullable<Text> = &device.request_id,
            "audit_id": SqlUuid = &self.audit_id,
        );
        out.push_sql(REGISTER);
        Ok(())
    }
}

/// Makes the account and puts a letter for it into the outbox; or, where there is one already, changes nothing of it and puts
/// the notice there. Which of the two is not said.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn register(db: &Database, new: &Registration<'_>) -> Result<(), Error> {
    let statement = Register {
        new,
        good_for: interval(new.letter.lifetime),
        notice_for: interval(new.notice.lifetime),
        address: new.device.address_text(),
        audit_id: Uuid::now_v7(),
    };
    db.run(async |connection| statement.execute(connection).await).await.map(drop)
}
