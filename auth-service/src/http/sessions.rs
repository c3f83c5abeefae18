//! `/api/auth/sessions`: where the caller is logged in, and how they end it. One statement each.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use http_api::{Json, Page, PageBody};
use identity_axum::{Caller, CurrentUser};
use problem::codes;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::current_session::{NoSession, current_session};
use super::device::device;
use super::path_ids::NO_SUCH_SESSION;
use crate::app::App;
use crate::db::sessions::{self, EndedOne, Listed};
use crate::error::Error;
use crate::sessions::SessionId;

/// A session in its owner's list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionItem {
    id: SessionId,
    address: Option<String>,
    user_agent: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_used_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// Whether it is the one that asks.
    current: bool,
}

/// Lists the caller's live sessions, the newest first.
#[utoipa::path(
    get, path = "/api/auth/sessions", tag = "session", params(Page),
    responses((status = 200, description = "A page of sessions.", body = PageBody<SessionItem>, headers(
        ("Cache-Control" = String, description = "Always `no-store`."),
    ))),
    extensions(("x-problems" = json!([codes::SESSION_ENDED]))),
)]
pub async fn list_sessions(
    State(app): State<Arc<App>>,
    caller: CurrentUser,
    page: Page,
) -> Result<impl IntoResponse, Error> {
    let asking = current_session(&caller)?;
    let found = sessions::list(&app.database, &asking, &app.sessions(), page.after, page.fetch()).await?;
    if found.is_empty() && page.after.is_none() {
        return Err(NoSession::Ended.into());
    }
    let items = found.into_iter().map(|session| SessionItem::new(session, asking.session)).collect();
    let body = page.body(items, |item: &SessionItem| item.id.0);
    Ok(([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)))
}

/// Ends one of the caller's sessions. 204 also when it was over before.
#[utoipa::path(
    delete, path = "/api/auth/sessions/{id}", tag = "session", params(("id" = SessionId, Path)),
    responses((status = 204, description = "The session is over.")),
    extensions(("x-problems" = json!([codes::SESSION_ENDED]))),
)]
pub async fn end_session(
    State(app): State<Arc<App>>,
    caller: Caller,
    user: CurrentUser,
    session: SessionId,
    headers: HeaderMap,
) -> Result<StatusCode, Error> {
    let asking = current_session(&user)?;
    let device = device(&caller, &headers);
    match sessions::end_one(&app.database, &asking, session, &device, &app.sessions()).await? {
        EndedOne::Ended => {
            app.announcer.announce();
            Ok(StatusCode::NO_CONTENT)
        }
        EndedOne::NotTheirs => Err(NO_SUCH_SESSION.into()),
        EndedOne::NotAsked => Err(NoSession::Ended.into()),
    }
}

impl SessionItem {
    fn new(session: Listed, current: SessionId) -> Self {
        Self {
            id: session.id,
            address: session.address,
            user_agent: session.user_agent,
            created_at: session.created_at,
            last_used_at: session.rotated_at,
            expires_at: session.expires_at,
            current: session.id == current,
        }
    }
}
