//! `DELETE /api/admin/users/{id}`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use identity_axum::{Caller, CurrentUser};
use problem::codes;

use super::Administrator;
use crate::accounts::UserId;
use crate::app::App;
use crate::db::administration;
use crate::error::Error;

/// Takes an account away with its sessions, the caller's own if it is theirs.
#[utoipa::path(
    delete, path = "/api/admin/users/{id}", tag = "administration", params(("id" = UserId, Path)),
    responses((status = 204, description = "The account is gone.")),
    extensions(("x-problems" = json!([codes::LAST_ADMIN, codes::SESSION_ENDED]))),
)]
pub async fn delete_user(
    State(app): State<Arc<App>>,
    caller: Caller,
    admin: CurrentUser,
    user: UserId,
    headers: HeaderMap,
) -> Result<StatusCode, Error> {
    let admin = Administrator::new(&app, &caller, &admin, &headers)?;
    administration::delete_account(&app.database, &admin.mandate(), user).await?;
    app.announcer.announce();
    Ok(StatusCode::NO_CONTENT)
}
