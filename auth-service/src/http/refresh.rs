//! `POST /api/auth/refresh`: a fresh access token for whoever holds the session's refresh token. One statement.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use http_api::Failure;
use identity_axum::Caller;
use problem::codes;

use super::device::device;
use super::optional_json::OptionalJson;
use super::presented_token::TokenBody;
use super::refusal::refuse;
use super::token_answer::{self, TokenAnswer};
use super::user_answer::UserAnswer;
use crate::app::App;
use crate::db::sessions::Refreshed;
use crate::error::Error;
use crate::sessions::{Continued, Step};

/// Answers a token with its successor, or with the current one when the session rotated a moment ago.
#[utoipa::path(
    post, path = "/api/auth/refresh", tag = "session", security(("refreshCookie" = []), ()),
    request_body = Option<TokenBody>,
    responses(TokenAnswer<'static>),
    extensions(("x-problems" = json!([
        codes::AMBIGUOUS_SESSION, codes::MISSING_TOKEN, codes::INVALID_TOKEN, codes::SESSION_ENDED, codes::SESSION_EXPIRED,
        codes::LATE_PREVIOUS, codes::STALE_LINEAGE, codes::ACCOUNT_DISABLED, codes::ORIGIN_REQUIRED,
    ]))),
)]
pub async fn refresh_session(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<TokenBody>,
) -> Result<Response, Failure> {
    let refreshed = refresh(&app, &caller, &headers, &body).await;
    app.metrics.count_refresh(&refreshed);
    refreshed.map(|(response, _step)| response).map_err(|error| refuse(&app.cookie, error))
}

async fn refresh(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    body: &TokenBody,
) -> Result<(Response, Step), Error> {
    let token = app.token_finder().find(headers, body)?;
    token_answer::require_signer(app)?;
    let refreshed = app.refreshes.refresh(&token, &device(caller, headers), &app.sessions()).await?;
    let Continued { step, user, email, role, session } = match refreshed {
        Refreshed::Continued(continued) => *continued,
        Refreshed::Ended(ending) => {
            app.announcer.announce();
            return Err(ending.into());
        }
        Refreshed::Refused(refusal) => return Err(refusal.into()),
    };
    let user = UserAnswer { id: user, email, role };
    let response = token_answer::answer(app, &user, &session, &token.at_generation(session.generation))?;
    Ok((response, step))
}
