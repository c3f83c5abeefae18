//! The second statement of a login: the session and its audit row, if the account is still the one that was verified. With them the
//! attempt is taken back, a code of the second factor used up, the address remembered and a better hash stored, and the owner told of
//! an address that the account never was logged in from.

use database::{Database, Error};
use diesel::data_types::PgInterval;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{
    Array, Bool, Bytea, Int4, Int8, Interval, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::RunQueryDsl;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::statement::{interval, prepared, push_given};
use crate::db::throttles::Rules;
use crate::second_factor::Step;
use crate::sessions::{NewSession, Session, SessionPolicy};
use crate::throttle::Key;
use crate::tokens::refresh_token::NonceHash;

const OPEN: &str = include_str!("open.sql");

struct Open<'a> {
    new: &'a NewSession,
    nonce_hash: NonceHash,
    address: Option<String>,
    absolute: PgInterval,
    audit_id: Uuid,
    rehashed: Option<&'a str>,
    remembered: Option<&'a [u8]>,
    mail_id: Option<Uuid>,
    notice_for: Option<PgInterval>,
    known_as: Vec<&'a [u8]>,
    refund: Rules<'a>,
    factor_id: Option<Uuid>,
    step: Option<Step>,
    recovery_hash: Option<&'a [u8]>,
}

prepared!(Open selects (Timestamptz, Timestamptz));

impl QueryFragment<Pg> for Open<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "session_id": SqlUuid = &self.new.id.0,
            "user_id": SqlUuid = &self.new.user.0,
            "epoch": Int4 = &self.new.epoch,
            "password_hash": Text = self.new.password_hash.expose(),
            "nonce_hash": Bytea = &self.nonce_hash.0,
            "delivery": Text = self.new.delivery.as_str(),
            "amr": Array<Text> = &self.new.amr,
            "address": Nullable<Text> = &self.address,
            "user_agent": Nullable<Text> = &self.new.device.user_agent,
            "request_id": Nullable<Text> = &self.new.device.request_id,
            "absolute": Interval = &self.absolute,
            "audit_id": SqlUuid = &self.audit_id,
            "rehashed": Nullable<Text> = &self.rehashed,
            "remembered": Nullable<Bytea> = &self.remembered,
            "mail_id": Nullable<SqlUuid> = &self.mail_id,
            "notice_for": Nullable<Interval> = &self.notice_for,
            "known_as": Array<Bytea> = &self.known_as,
            "refunded": Array<Bytea> = &self.refund.keys,
            "allowed": Array<Int4> = &self.refund.allowed,
            "cleared": Array<Bool> = &self.refund.own,
            "factor_id": Nullable<SqlUuid> = &self.factor_id,
            "step": Nullable<Int8> = &self.step,
            "recovery_hash": Nullable<Bytea> = &self.recovery_hash,
        );
        out.push_sql(OPEN);
        Ok(())
    }
}

/// Opens a session, and uses up what was shown of a second factor. `None`: the account's hash, epoch, status or second factor
/// changed since its password was verified, or the code has been used.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn open(db: &Database, new: &NewSession, policy: &SessionPolicy) -> Result<Option<Session>, Error> {
    let statement = Open {
        new,
        nonce_hash: new.nonce.hash(),
        address: new.device.address_text(),
        absolute: interval(policy.absolute),
        audit_id: Uuid::now_v7(),
        rehashed: new.rehashed.as_ref().map(|hash| hash.expose().as_str()),
        remembered: new.remembered.as_ref().map(Key::as_bytes),
        mail_id: new.notice.as_ref().map(|new_device| new_device.notice.id),
        notice_for: new.notice.as_ref().map(|new_device| interval(new_device.notice.lifetime)),
        known_as: new.notice.iter().flat_map(|new_device| &new_device.known_as).map(Key::as_bytes).collect(),
        refund: Rules::of(&new.refund.0),
        factor_id: new.second_factor.as_ref().map(|shown| shown.factor.0),
        step: new.second_factor.as_ref().and_then(|shown| shown.proof.step()),
        recovery_hash: new.second_factor.as_ref().and_then(|shown| shown.proof.recovery()),
    };
    let opened: Option<(OffsetDateTime, OffsetDateTime)> =
        db.hot(async |connection| statement.get_result(connection).await.optional()).await?;
    Ok(opened.map(|(created_at, expires_at)| Session {
        id: new.id,
        generation: 0,
        epoch: new.epoch,
        delivery: new.delivery,
        amr: new.amr.clone(),
        created_at,
        rotated_at: created_at,
        expires_at,
    }))
}
