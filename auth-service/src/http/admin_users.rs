//! `/api/admin/users/{id}`: what an administrator does to somebody's account (see `routes` for the role).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use http_api::Json;
use identity_axum::{Caller, CurrentUser};
use problem::codes;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::current_session::{NoSession, current_session};
use super::device::device;
use super::path_ids::NO_SUCH_ACCOUNT;
use crate::accounts::administration::{self, AccountChange};
use crate::accounts::{AccountStatus, Role, UserId};
use crate::app::App;
use crate::db::epochs::{self, Administered, Asked};
use crate::db::users::User;
use crate::error::Error;

/// The body of `PATCH`. A misspelt field must not pass for a change that was made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountBody {
    role: Option<Role>,
    status: Option<AccountStatus>,
}

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

/// Changes role or status. Another role, and being disabled, end all sessions of the account.
#[utoipa::path(
    patch, path = "/api/admin/users/{id}", tag = "administration", params(("id" = UserId, Path)),
    request_body = AccountBody,
    responses((status = 200, description = "The account as it is now.", body = AccountAnswer)),
    extensions(("x-problems" = json!([codes::LAST_ADMIN, codes::SESSION_ENDED]))),
)]
pub async fn change_user(
    State(app): State<Arc<App>>,
    caller: Caller,
    admin: CurrentUser,
    user: UserId,
    headers: HeaderMap,
    Json(AccountBody { role, status }): Json<AccountBody>,
) -> Result<Json<AccountAnswer>, Error> {
    let (session, device) = (current_session(&admin)?, device(&caller, &headers));
    let asked = Asked { session: &session, device: &device, policy: &app.sessions() };
    let change = AccountChange { role, status };
    let decide = |standing: &_| administration::decide(standing, &change);
    let changed = epochs::change_account(&app.database, &asked, user, decide).await?;
    Ok(Json(AccountAnswer { user: done(&app, changed)?.into() }))
}

/// Ends all sessions of an account, the caller's own if it is theirs.
#[utoipa::path(
    delete, path = "/api/admin/users/{id}/sessions", tag = "administration", params(("id" = UserId, Path)),
    responses((status = 204, description = "The account has no session any more.")),
    extensions(("x-problems" = json!([codes::SESSION_ENDED]))),
)]
pub async fn end_user_sessions(
    State(app): State<Arc<App>>,
    caller: Caller,
    admin: CurrentUser,
    user: UserId,
    headers: HeaderMap,
) -> Result<StatusCode, Error> {
    let (session, device) = (current_session(&admin)?, device(&caller, &headers));
    let asked = Asked { session: &session, device: &device, policy: &app.sessions() };
    let ended = epochs::end_sessions_of(&app.database, &asked, user).await?;
    done(&app, ended).map(|_user| StatusCode::NO_CONTENT)
}

fn done(app: &App, outcome: Administered) -> Result<User, Error> {
    match outcome {
        Administered::Done(user) => {
            app.announcer.announce();
            Ok(user)
        }
        Administered::NoSuchUser => Err(NO_SUCH_ACCOUNT.into()),
        Administered::Refused(last_admin) => Err(last_admin.into()),
        Administered::NotAsked => Err(NoSession::Ended.into()),
    }
}

impl From<User> for AccountItem {
    fn from(user: User) -> Self {
        let User { id, email, role, status, created_at, epoch: _ } = user;
        Self { id, email, role, status, created_at }
    }
}
