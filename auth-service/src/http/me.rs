//! `GET /api/auth/me`: who the caller is, and in which session. One statement.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use http_api::Json;
use identity_axum::CurrentUser;
use problem::codes;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::current_session::{NoSession, current_session};
use super::user_answer::UserAnswer;
use crate::app::App;
use crate::db::sessions::{self, Overview};
use crate::error::Error;
use crate::sessions::{CurrentSession, SessionId};

/// `{user, session, secondFactor}`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeAnswer {
    user: UserAnswer,
    session: SessionAnswer,
    /// Whether a login asks for one.
    second_factor: bool,
}

/// A session as its owner sees it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionAnswer {
    id: SessionId,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    refreshed_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// Shows the caller to themselves.
#[utoipa::path(
    get, path = "/api/auth/me", tag = "account",
    responses((status = 200, description = "Account and session.", body = MeAnswer, headers(
        ("Cache-Control" = String, description = "Always `no-store`."),
    ))),
    extensions(("x-problems" = json!([codes::SESSION_ENDED]))),
)]
pub async fn show_me(State(app): State<Arc<App>>, caller: CurrentUser) -> Result<impl IntoResponse, Error> {
    let CurrentSession { user, session } = current_session(&caller)?;
    let found = sessions::find(&app.database, user, session, &app.sessions()).await?;
    let overview = found.ok_or(NoSession::Ended)?;
    Ok(([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(MeAnswer::from(overview))))
}

impl From<Overview> for MeAnswer {
    fn from(Overview { user, session, has_second_factor }: Overview) -> Self {
        let session = SessionAnswer {
            id: session.id,
            created_at: session.created_at,
            refreshed_at: session.rotated_at,
            expires_at: session.expires_at,
        };
        Self { user: user.into(), session, second_factor: has_second_factor }
    }
}
