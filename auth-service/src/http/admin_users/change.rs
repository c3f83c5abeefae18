//! `PATCH /api/admin/users/{id}` and `DELETE …/sessions`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use http_api::Json;
use identity_axum::{Caller, CurrentUser};
use problem::codes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{AccountAnswer, Administrator};
use crate::accounts::administration::AccountChange;
use crate::accounts::{AccountStatus, Role, UserId};
use crate::app::App;
use crate::db::administration;
use crate::error::Error;

/// The body of `PATCH`. A misspelt field must not pass for a change that was made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountBody {
    role: Option<Role>,
    status: Option<AccountStatus>,
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
    let admin = Administrator::new(&app, &caller, &admin, &headers)?;
    let change = AccountChange { role, status };
    let user = administration::change_account(&app.database, &admin.mandate(), user, &change).await?;
    app.announcer.announce();
    Ok(Json(AccountAnswer { user: user.into() }))
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
    let admin = Administrator::new(&app, &caller, &admin, &headers)?;
    administration::end_sessions_of(&app.database, &admin.mandate(), user).await?;
    app.announcer.announce();
    Ok(StatusCode::NO_CONTENT)
}
