//! `/api/admin/users`: what an administrator sees of accounts and does to them (see `routes` for the role).

pub mod change;
pub mod create;
pub mod delete;
pub mod list;
pub mod show;

use axum::http::HeaderMap;
use identity_axum::{Caller, CurrentUser};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::current_session::{NoSession, current_session};
use super::device::device;
use crate::accounts::{AccountStatus, Role, UserId};
use crate::app::App;
use crate::db::administration::{By, Mandate};
use crate::db::users::User;
use crate::sessions::{CurrentSession, Device, SessionPolicy};

/// `{user}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountAnswer {
    user: AccountItem,
}

/// An account as administrators see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AccountItem {
    id: UserId,
    email: String,
    role: Role,
    status: AccountStatus,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<User> for AccountItem {
    fn from(user: User) -> Self {
        let User { id, email, role, status, created_at, epoch: _ } = user;
        Self { id, email, role, status, created_at }
    }
}

/// The administrator who asks.
pub(super) struct Administrator {
    session: CurrentSession,
    device: Device,
    policy: SessionPolicy,
}

impl Administrator {
    /// By the gateway's word; the database looks at it again.
    pub(super) fn new(
        app: &App,
        caller: &Caller,
        admin: &CurrentUser,
        headers: &HeaderMap,
    ) -> Result<Self, NoSession> {
        let session = current_session(admin)?;
        Ok(Self { session, device: device(caller, headers), policy: app.sessions() })
    }

    /// On whose behalf the database does what is asked.
    pub(super) const fn mandate(&self) -> Mandate<'_> {
        Mandate { by: By::Administrator(&self.session), device: &self.device, policy: &self.policy }
    }
}
