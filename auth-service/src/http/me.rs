//! `GET /api/auth/me`: who the caller is, and in which session. One statement.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use http_api::Json;
use identity_axum::CurrentUser;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::user_answer::UserAnswer;
use crate::accounts::UserId;
use crate::app::App;
use crate::db::sessions::{self, Overview};
use crate::error::Error;
use crate::sessions::SessionId;

/// The gateway let the caller in, and there is no session to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSession {
    /// A client of its own: it has none.
    #[error("only a user has a session")]
    NotAUser,
    /// It ended while the access token was still good.
    #[error("the session has ended")]
    Ended,
}

/// `{user, session}`.
#[derive(Serialize)]
pub struct MeAnswer {
    user: UserAnswer,
    session: SessionAnswer,
}

/// A session as its owner sees it.
#[derive(Serialize)]
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
pub async fn show_me(State(app): State<Arc<App>>, caller: CurrentUser) -> Result<impl IntoResponse, Error> {
    let (user, session) = ids(&caller).ok_or(NoSession::NotAUser)?;
    let found = sessions::find(&app.database, user, session, &app.sessions).await?;
    let overview = found.ok_or(NoSession::Ended)?;
    Ok(([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(MeAnswer::from(overview))))
}

fn ids(caller: &CurrentUser) -> Option<(UserId, SessionId)> {
    let (user, session) = (caller.id.parse::<Uuid>().ok()?, caller.session_id.parse::<Uuid>().ok()?);
    Some((UserId(user), SessionId(session)))
}

impl From<Overview> for MeAnswer {
    fn from(Overview { user, session }: Overview) -> Self {
        let session = SessionAnswer {
            id: session.id,
            created_at: session.created_at,
            refreshed_at: session.rotated_at,
            expires_at: session.expires_at,
        };
        Self { user: user.into(), session }
    }
}
