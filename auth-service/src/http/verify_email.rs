//! `POST /api/auth/verify-email`, for whoever has the token of a link, and `…/resend`, for who is logged in and wants another.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use http_api::Json;
use identity_axum::{Caller, CurrentUser};
use problem::codes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::current_session::{NoSession, current_session};
use super::device::device;
use super::throttling;
use crate::accounts::Email;
use crate::app::{App, NoMail};
use crate::db::mail_tokens::{self, Whose};
use crate::db::sessions;
use crate::error::Error;
use crate::mail::{InvalidMailToken, MailTokenHash, Purpose};
use crate::throttle::{self, Subject};

/// The token of the link.
#[derive(Deserialize, ToSchema)]
pub struct VerifyBody {
    token: String,
}

/// Takes the account's address for verified.
#[utoipa::path(
    post, path = "/api/auth/verify-email", tag = "account", security(()), request_body = VerifyBody,
    responses((status = 204, description = "The address is verified.")),
    extensions(("x-problems" = json!([codes::INVALID_MAIL_TOKEN, codes::ORIGIN_REQUIRED]))),
)]
pub async fn verify_email(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<VerifyBody>,
) -> Result<StatusCode, Error> {
    app.origins.check_if_present(&headers)?;
    let token = MailTokenHash::of_presented(&body.token)?;
    let is_good = mail_tokens::verify(&app.database, &token, &device(&caller, &headers)).await?;
    if is_good { Ok(StatusCode::NO_CONTENT) } else { Err(InvalidMailToken.into()) }
}

/// Sends the caller another link; the one before it is no good any more. A verified address gets none.
#[utoipa::path(
    post, path = "/api/auth/verify-email/resend", tag = "account",
    responses((status = 202, description = "A mail is sent, if the address is not verified yet.")),
    extensions(("x-problems" = json!([
        codes::MAIL_NOT_CONFIGURED, codes::SESSION_ENDED, codes::TOO_MANY_ATTEMPTS,
    ]))),
)]
pub async fn resend_verification(
    State(app): State<Arc<App>>,
    caller: Caller,
    user: CurrentUser,
    headers: HeaderMap,
) -> Result<StatusCode, Error> {
    let mail = app.mail.as_ref().ok_or(NoMail)?;
    let session = current_session(&user)?;
    let found = sessions::find_asking(&app.database, &session, &app.sessions()).await?;
    let email = Email::parse(&found.ok_or(NoSession::Ended)?.user.email)?;
    let device = device(&caller, &headers);
    // As what the other wishes for mail are counted.
    let attempt = app.throttle.attempt(throttle::Purpose::Mail, Subject::Email(&email), device.address);
    throttling::count(&app, &attempt, Some(session.user), &device).await?;
    let letter = mail.outgoing.letter(Purpose::VerifyEmail)?;
    mail_tokens::request(&app.database, Whose::Account(session.user), &letter, &device).await?;
    app.ring();
    Ok(StatusCode::ACCEPTED)
}
