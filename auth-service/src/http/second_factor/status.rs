//! `GET /api/auth/second-factor`: whether the caller has a second factor. One statement.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http_api::Json;
use identity_axum::CurrentUser;
use problem::codes;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::app::App;
use crate::db::second_factors::{self, Status};
use crate::error::Error;
use crate::http::current_session::{NoSession, current_session};
use crate::http::no_store::NO_STORE;

/// How the caller's second factor stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusAnswer {
    enabled: bool,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    enabled_at: Option<OffsetDateTime>,
    /// Whether one waits for its first code.
    pending: bool,
    recovery_codes_left: i64,
}

/// Shows it.
#[utoipa::path(
    get, path = "/api/auth/second-factor", tag = "second factor",
    responses((status = 200, description = "How it stands.", body = StatusAnswer, headers(
        ("Cache-Control" = String, description = "Always `no-store`."),
    ))),
    extensions(("x-problems" = json!([codes::SESSION_ENDED]))),
)]
pub async fn show_second_factor(
    State(app): State<Arc<App>>,
    user: CurrentUser,
) -> Result<impl IntoResponse, Error> {
    let session = current_session(&user)?;
    let status = second_factors::status(&app.database, &session, &app.sessions()).await?;
    Ok((NO_STORE, Json(StatusAnswer::from(status.ok_or(NoSession::Ended)?))))
}

impl From<Status> for StatusAnswer {
    fn from(status: Status) -> Self {
        Self {
            enabled: status.confirmed_at.is_some(),
            enabled_at: status.confirmed_at,
            pending: status.pending_since.is_some(),
            recovery_codes_left: status.recovery_codes,
        }
    }
}
