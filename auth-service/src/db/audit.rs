//! `audit_events`: who did what, from where. Most rows are written by the statement whose effect they record.

use database::{Database, Error};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{AsyncConnectionCore, RunQueryDsl};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::schema::audit_events;
use crate::accounts::UserId;
use crate::sessions::{CurrentSession, Device, SessionId};

/// What happened, of what is recorded here. Some kinds are written by the statements whose effect they record:
/// `login` (`sessions/open.sql`), `logout` (`sessions/log_out.sql`), `session_ended` (`sessions/end_one.sql`, `sessions/revoke.sql`),
/// `account_deleted` (`administration/delete.sql`), `refresh_token_reused` (the function `refresh_otherwise`),
/// `registration_repeated` (`registration.sql`), `email_verified` (`mail_tokens/verify.sql`), `mail_not_sent` (`outbox/settle.sql`),
/// `client_created`, `client_rotated`, `client_deleted` (`clients/*.sql`), and of the second factor all but the two below
/// (`second_factors/*.sql`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A login was refused.
    LoginRefused,
    /// Somebody was turned away after too many attempts; once for each deadline.
    Throttled,
    /// An account was made.
    AccountCreated,
    /// A batch of accounts was taken over from another system.
    AccountsImported,
    /// Somebody began to write out all accounts.
    AccountsExported,
    /// The owner of all sessions of an account ended them.
    LogoutAll,
    /// An administrator did.
    SessionsEnded,
    /// A password was replaced by its owner, which ended their other sessions.
    PasswordChanged,
    /// It was not: the one that should have been the current one was not.
    PasswordChangeRefused,
    /// It was forgotten, and replaced by who has the mail.
    PasswordReset,
    /// Somebody says to have forgotten a password, of an account or of none.
    PasswordResetRequested,
    /// An operator made a link to replace one.
    PasswordResetByOperator,
    /// Somebody wants a link to verify their address.
    VerificationRequested,
    /// Somebody has the link and not the password.
    VerificationRefused,
    /// An administrator changed the role or the status of an account.
    AccountChanged,
    /// A change of a second factor was not made: the password, or the code that should have confirmed it, was wrong.
    SecondFactorRefused,
    /// Wrong codes followed the right password, more than somebody mistypes; once in a while for each account.
    SecondFactorSuspected,
    /// A second factor was removed by whoever runs the service, on the command line; for an administrator its statement writes it.
    SecondFactorReset,
    /// A signing key was made.
    SigningKeyMade,
    /// One was sealed anew: under another secret, or with other times.
    SigningKeyResealed,
    /// One was done and went.
    SigningKeyDeleted,
    /// One was taken away.
    SigningKeyRevoked,
}

impl Kind {
    /// The kind as the table spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoginRefused => "login_refused",
            Self::Throttled => "throttled",
            Self::AccountCreated => "account_created",
            Self::AccountsImported => "accounts_imported",
            Self::AccountsExported => "accounts_exported",
            Self::LogoutAll => "logout_all",
            Self::SessionsEnded => "sessions_ended",
            Self::PasswordChanged => "password_changed",
            Self::PasswordChangeRefused => "password_change_refused",
            Self::PasswordReset => "password_reset",
            Self::PasswordResetRequested => "password_reset_requested",
            Self::PasswordResetByOperator => "password_reset_by_operator",
            Self::VerificationRequested => "verification_requested",
            Self::VerificationRefused => "verification_refused",
            Self::AccountChanged => "account_changed",
            Self::SecondFactorRefused => "second_factor_refused",
            Self::SecondFactorSuspected => "second_factor_suspected",
            Self::SecondFactorReset => "second_factor_reset",
            Self::SigningKeyMade => "signing_key_made",
            Self::SigningKeyResealed => "signing_key_resealed",
            Self::SigningKeyDeleted => "signing_key_deleted",
            Self::SigningKeyRevoked => "signing_key_revoked",
        }
    }
}

/// Something that happened and that no other statement records.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// What.
    pub kind: Kind,
    /// To or by whom, if that is known.
    pub user: Option<UserId>,
    /// In which session, if in one.
    pub session: Option<SessionId>,
    /// Who did it, when that is not the account that it was done to.
    pub actor: Option<UserId>,
    /// From where.
    pub device: &'a Device,
    /// What else is worth knowing: an object. Never a secret.
    pub detail: Value,
}

impl<'a> Event<'a> {
    /// An account was made, from `device` or on the command line.
    #[must_use]
    pub fn account_created(user: UserId, device: &'a Device) -> Self {
        Self {
            kind: Kind::AccountCreated,
            user: Some(user),
            session: None,
            actor: None,
            device,
            detail: Value::Object(Map::new()),
        }
    }

    /// A login was refused, with this code.
    #[must_use]
    pub fn login_refused(user: Option<UserId>, device: &'a Device, code: &str) -> Self {
        let detail = json!({"code": code});
        Self { kind: Kind::LoginRefused, user, session: None, actor: None, device, detail }
    }

    /// An address was not verified: the password was wrong.
    #[must_use]
    pub fn verification_refused(user: UserId, device: &'a Device) -> Self {
        Self { kind: Kind::VerificationRefused, ..Self::account_created(user, device) }
    }

    /// Somebody has the password and tries codes.
    #[must_use]
    pub fn second_factor_suspected(user: UserId, device: &'a Device) -> Self {
        Self { kind: Kind::SecondFactorSuspected, ..Self::account_created(user, device) }
    }

    /// Something that the owner of a session asked for in it was refused.
    #[must_use]
    pub fn refused(kind: Kind, asking: &CurrentSession, device: &'a Device) -> Self {
        let (user, session) = (Some(asking.user), Some(asking.session));
        Self { kind, user, session, actor: None, device, detail: Value::Object(Map::new()) }
    }
}

/// Records an event.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn record(db: &Database, event: &Event<'_>) -> Result<(), Error> {
    db.hot(async |connection| insert(connection, event).await).await
}

/// The same in the transaction of what is recorded.
pub(super) async fn insert<C>(connection: &mut C, event: &Event<'_>) -> QueryResult<()>
where
    C: AsyncConnectionCore<Backend = Pg>,
{
    let values = (
        audit_events::id.eq(Uuid::now_v7()),
        audit_events::kind.eq(event.kind.as_str()),
        audit_events::user_id.eq(event.user.map(|user| user.0)),
        audit_events::session_id.eq(event.session.map(|session| session.0)),
        audit_events::actor_id.eq(event.actor.map(|actor| actor.0)),
        audit_events::address.eq(event.device.address_text()),
        audit_events::user_agent.eq(event.device.user_agent.as_deref()),
        audit_events::request_id.eq(event.device.request_id.as_deref()),
        audit_events::detail.eq(&event.detail),
    );
    diesel::insert_into(audit_events::table).values(values).execute(connection).await.map(|_rows| ())
}

/// Records an event of something that stands whether it is recorded or not: a failure is only logged.
pub async fn note(db: &Database, event: &Event<'_>) {
    if let Err(error) = record(db, event).await {
        let (kind, error) = (event.kind.as_str(), &error as &dyn std::error::Error);
        tracing::warn!(kind, error, "an event is missing from the audit trail");
    }
}
