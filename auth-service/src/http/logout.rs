//! `POST /api/auth/logout`: ends the session that the refresh token belongs to. One statement; none without a token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use http_api::Failure;
use identity_axum::Caller;
use problem::codes;

use super::device::device;
use super::optional_json::OptionalJson;
use super::presented_token::{NoToken, TokenBody};
use super::refusal::refuse;
use crate::app::App;
use crate::db::sessions;
use crate::error::Error;

/// Logs out. 204 also when there was nobody to log out: the caller wants to be gone, and is.
#[utoipa::path(
    post, path = "/api/auth/logout", tag = "session", security(("refreshCookie" = []), ()),
    request_body = Option<TokenBody>,
    responses((status = 204, description = "Nobody is logged in any more.", headers(
        ("Set-Cookie" = String, description = "Deletes the cookie, if one was sent."),
    ))),
    extensions(("x-problems" = json!([codes::AMBIGUOUS_SESSION, codes::ORIGIN_REQUIRED]))),
)]
pub async fn log_out(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<TokenBody>,
) -> Result<Response, Failure> {
    match app.token_finder().find(&headers, &body) {
        Ok(token) => {
            let device = device(&caller, &headers);
            let ended = sessions::log_out(&app.database, &token, &device, &app.sessions()).await;
            if ended.map_err(Error::from)?.is_some() {
                app.announcer.announce();
            }
        }
        Err(NoToken::Missing | NoToken::Invalid) => {}
        Err(refused @ (NoToken::Ambiguous | NoToken::Origin(_))) => {
            return Err(refuse(&app.cookie, refused.into()));
        }
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if !app.cookie.values(&headers).is_empty() {
        for line in app.cookie.delete() {
            response.headers_mut().append(SET_COOKIE, line);
        }
    }
    Ok(response)
}
