//! `GET /api/admin/users/{id}`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use http_api::Json;
use identity_axum::{Caller, CurrentUser};
use problem::codes;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{AccountItem, Administrator};
use crate::accounts::UserId;
use crate::app::App;
use crate::db::administration::{self, Overview};
use crate::error::Error;

/// `{user, sessions, lastLoginAt, emailVerified, secondFactor}`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OverviewAnswer {
    user: AccountItem,
    /// How many of them are live.
    sessions: i64,
    #[serde(with = "time::serde::rfc3339::option")]
    last_login_at: Option<OffsetDateTime>,
    email_verified: bool,
    /// Whether one is in force.
    second_factor: bool,
}

/// Shows one account.
#[utoipa::path(
    get, path = "/api/admin/users/{id}", tag = "administration", params(("id" = UserId, Path)),
    responses((status = 200, description = "The account.", body = OverviewAnswer, headers(
        ("Cache-Control" = String, description = "Always `no-store`."),
    ))),
    extensions(("x-problems" = json!([codes::SESSION_ENDED]))),
)]
pub async fn show_user(
    State(app): State<Arc<App>>,
    caller: Caller,
    admin: CurrentUser,
    user: UserId,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Error> {
    let admin = Administrator::new(&app, &caller, &admin, &headers)?;
    let Overview { user, sessions, last_login_at, email_verified, second_factor } =
        administration::show_account(&app.database, &admin.mandate(), user).await?;
    let body = OverviewAnswer { user: user.into(), sessions, last_login_at, email_verified, second_factor };
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)))
}
