//! `POST /api/auth/logout-all`: ends every session of the caller, the one that asks among them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use identity_axum::{Caller, CurrentUser};
use problem::codes;

use super::current_session::{NoSession, current_session};
use super::device::device;
use crate::app::App;
use crate::db::epochs::{self, Asked, LoggedOut};
use crate::error::Error;

/// Logs out everywhere; the browser forgets its cookie.
#[utoipa::path(
    post, path = "/api/auth/logout-all", tag = "session",
    responses((status = 204, description = "Every session has ended.", headers(
        ("Set-Cookie" = String, description = "Always deletes the cookie."),
    ))),
    extensions(("x-problems" = json!([codes::SESSION_ENDED]))),
)]
pub async fn log_out_everywhere(
    State(app): State<Arc<App>>,
    caller: Caller,
    user: CurrentUser,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let (session, device) = (current_session(&user)?, device(&caller, &headers));
    let asked = Asked { session: &session, device: &device, policy: &app.sessions() };
    match epochs::log_out_everywhere(&app.database, &asked).await? {
        LoggedOut::Everywhere => app.announcer.announce(),
        LoggedOut::NotAsked => return Err(NoSession::Ended.into()),
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    for line in app.cookie.delete() {
        response.headers_mut().append(SET_COOKIE, line);
    }
    Ok(response)
}
