//! The answer of login and refresh: an access token in the body, the refresh token where its session wants it.

use axum::http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE};
use axum::response::{IntoResponse, Response};
use http_api::Json;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::IntoResponses;

use super::user_answer::UserAnswer;
use crate::app::App;
use crate::error::Error;
use crate::sessions::{Delivery, Session};
use crate::tokens::access_token::NotIssued;
use crate::tokens::{Grant, RefreshToken};

/// An access token, and the refresh token where its session wants it.
#[derive(Serialize, IntoResponses)]
#[serde(rename_all = "camelCase")]
#[response(
    status = 200,
    headers(
        ("Cache-Control" = String, description = "Always `no-store`."),
        ("Set-Cookie" = String, description = "The refresh token of a session that was opened for a cookie."),
    ),
)]
pub struct TokenAnswer<'a> {
    /// A JWT, to be sent as `Authorization: Bearer …`.
    access_token: &'a str,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u64,
    user: &'a UserAnswer,
    /// The refresh token of a session that was opened with `"tokenDelivery":"body"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
}

/// Asked before anything is written: a session that rotates for an answer that cannot be signed takes its client's retry,
/// once the grace is over, for theft.
pub fn require_signer(app: &App) -> Result<(), NotIssued> {
    app.signing_keys.signer(OffsetDateTime::now_utc()).map(|_key| ()).ok_or(NotIssued::NoKey)
}

/// Signs an access token and answers it with the refresh token `refresh`.
pub fn answer(
    app: &App,
    user: &UserAnswer,
    session: &Session,
    refresh: &RefreshToken,
) -> Result<Response, Error> {
    let now = OffsetDateTime::now_utc();
    let issued = app.access_tokens.issue(&app.signing_keys, &grant(user, session), now)?;
    let refresh_token = app.refresh_keys.issue(refresh);
    let in_body = session.delivery == Delivery::Body;
    let body = Json(TokenAnswer {
        access_token: issued.token.expose(),
        token_type: "Bearer",
        expires_in: issued.lifetime.as_secs(),
        user,
        refresh_token: in_body.then(|| refresh_token.expose().as_str()),
    });
    let mut response = body.into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !in_body {
        let ends = app.sessions().token_expires_at(session.rotated_at, session.expires_at);
        let max_age = u64::try_from((ends - now).whole_seconds()).unwrap_or(0);
        response.headers_mut().append(SET_COOKIE, app.cookie.set(refresh_token.expose(), max_age)?);
    }
    Ok(response)
}

fn grant<'a>(user: &'a UserAnswer, session: &'a Session) -> Grant<'a> {
    Grant {
        user: user.id,
        email: &user.email,
        role: user.role,
        session: session.id,
        epoch: session.epoch,
        authenticated_at: session.created_at,
        amr: &session.amr,
    }
}
