//! `POST /api/auth/verify-email`, for whoever has the token of a link and the account's password, and `…/resend`, for who is logged in and wants another.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use http_api::Json;
use identity_axum::{Caller, CurrentUser};
use problem::codes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::current_password;
use super::current_session::{NoSession, current_session};
use super::device::device;
use super::throttling;
use crate::accounts::Email;
use crate::accounts::hash_shares;
use crate::app::{App, NoMail};
use crate::db::audit::{self, Event};
use crate::db::mail_tokens::{self, Holder, Whose};
use crate::db::sessions;
use crate::db::throttles::Outcome;
use crate::error::Error;
use crate::mail::{InvalidMailToken, MailTokenHash, Purpose};
use crate::sessions::Device;
use crate::throttle::{self, Subject};

/// The token of the link, and the password that the account was made with.
#[derive(Deserialize, ToSchema)]
pub struct VerifyBody {
    token: String,
    #[schema(example = "kettle-7-fog-lamp")]
    password: String,
}

/// Takes the account's address for verified: whoever asks reads its mail and made the account. A wrong password leaves the token good.
#[utoipa::path(
    post, path = "/api/auth/verify-email", tag = "account", security(()), request_body = VerifyBody,
    responses((status = 204, description = "The address is verified.")),
    extensions(("x-problems" = json!([
        codes::INVALID_MAIL_TOKEN, codes::WRONG_PASSWORD, codes::ORIGIN_REQUIRED, codes::TOO_MANY_ATTEMPTS,
    ]))),
)]
pub async fn verify_email(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<VerifyBody>,
) -> Result<StatusCode, Error> {
    app.origins.check_if_present(&headers)?;
    let token = MailTokenHash::of_presented(&body.token)?;
    app.hashing.check(hash_shares::Purpose::NewPassword)?;
    // The token comes first: nobody without one may make us hash.
    let found = mail_tokens::find(&app.database, Purpose::VerifyEmail, &token).await?;
    let device = device(&caller, &headers);
    require_password(&app, &found.ok_or(InvalidMailToken)?, body.password, &device).await?;
    let is_good = mail_tokens::verify(&app.database, &token, &device).await?;
    if is_good { Ok(StatusCode::NO_CONTENT) } else { Err(InvalidMailToken.into()) }
}

/// Counted with the account's logins, so that a link is no second place to guess at.
async fn require_password(
    app: &App,
    holder: &Holder,
    password: String,
    device: &Device,
) -> Result<(), Error> {
    let email = Email::parse(&holder.email)?;
    let attempt = app.throttle.attempt(throttle::Purpose::Login, Subject::Email(&email), device.address);
    let refund = throttling::count(app, &attempt, Some(holder.user), device).await?;
    match current_password::compare(app, &holder.password_hash, password).await {
        Ok(Ok(())) => {
            throttling::take_back(app, &refund, Outcome::Succeeded).await;
            Ok(())
        }
        Ok(Err(wrong)) => {
            audit::note(&app.database, &Event::verification_refused(holder.user, device)).await;
            Err(wrong.into())
        }
        Err(not_compared) => {
            throttling::take_back(app, &refund, Outcome::Void).await;
            Err(not_compared)
        }
    }
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
