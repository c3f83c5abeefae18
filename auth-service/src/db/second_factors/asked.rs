//! What all changes of a second factor have in common: who asks, and what became of it.

use diesel::data_types::PgInterval;
use diesel::sql_types::Bool;
use secret::Secret;
use uuid::Uuid;

use crate::db::epochs::Asked;
use crate::db::statement::interval;
use crate::mail::Notice;

/// The columns of every change: whether the session is alive, whether the password is still the one that was verified,
/// and whether there was something to change.
pub(super) type OutcomeColumns = (Bool, Bool, Bool);

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is so now.
    Done,
    /// There was nothing that it could be done to, or with.
    Unfit,
    /// The password is no longer the one that was verified.
    Overtaken,
    /// The session that asks has ended.
    NotAsked,
}

impl Change {
    pub(super) const fn of((is_asked, is_current, is_done): (bool, bool, bool)) -> Self {
        match (is_asked, is_current, is_done) {
            (false, _, _) => Self::NotAsked,
            (true, false, _) => Self::Overtaken,
            (true, true, false) => Self::Unfit,
            (true, true, true) => Self::Done,
        }
    }
}

/// What all changes bind.
pub(super) struct Binds<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) verified: Option<&'a str>,
    pub(super) idle: PgInterval,
    pub(super) address: Option<String>,
    pub(super) audit_id: Uuid,
    pub(super) mail_id: Option<Uuid>,
    pub(super) mail_lifetime: Option<PgInterval>,
}

impl<'a> Binds<'a> {
    /// `verified`: the hash that the password was compared with, where one was asked for. `notice`: the mail that tells the
    /// owner.
    pub(super) fn new(
        asked: &'a Asked<'a>,
        verified: Option<&'a Secret<String>>,
        notice: Option<&Notice>,
    ) -> Self {
        Self {
            asked,
            verified: verified.map(|hash| hash.expose().as_str()),
            idle: interval(asked.policy.idle),
            address: asked.device.address_text(),
            audit_id: Uuid::now_v7(),
            mail_id: notice.map(|notice| notice.id),
            mail_lifetime: notice.map(|notice| interval(notice.lifetime)),
        }
    }
}

/// Writes `WITH given (…)` with what all changes bind, and then what this one does.
macro_rules! push_asked {
    ($out:ident, $binds:expr, $($name:literal: $sql_type:ty = $value:expr),* $(,)?) => {
        push_given!($out,
            "asking_session": diesel::sql_types::Uuid = &$binds.asked.session.session.0,
            "asking_user": diesel::sql_types::Uuid = &$binds.asked.session.user.0,
            "idle": diesel::sql_types::Interval = &$binds.idle,
            "verified": diesel::sql_types::Nullable<diesel::sql_types::Text> = &$binds.verified,
            "address": diesel::sql_types::Nullable<diesel::sql_types::Text> = &$binds.address,
            "user_agent": diesel::sql_types::Nullable<diesel::sql_types::Text> = &$binds.asked.device.user_agent,
            "request_id": diesel::sql_types::Nullable<diesel::sql_types::Text> = &$binds.asked.device.request_id,
            "audit_id": diesel::sql_types::Uuid = &$binds.audit_id,
            "mail_id": diesel::sql_types::Nullable<diesel::sql_types::Uuid> = &$binds.mail_id,
            "mail_lifetime": diesel::sql_types::Nullable<diesel::sql_types::Interval> = &$binds.mail_lifetime,
            $($name: $sql_type = $value,)*
        );
    };
}

pub(super) use push_asked;
