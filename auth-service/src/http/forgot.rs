//! `POST /api/auth/forgot`: a link to choose another password, by mail. The answer is the same whether there is an account or not.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use http_api::Json;
use identity_axum::Caller;
use problem::codes;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::device::device;
use super::steady::steady;
use super::throttling;
use crate::accounts::Email;
use crate::app::{App, NoMail};
use crate::db::mail_tokens::{self, Whose};
use crate::error::Error;
use crate::mail::Purpose;
use crate::throttle::{self, Subject};

/// Whose password is forgotten.
#[derive(Deserialize, ToSchema)]
pub struct ForgotBody {
    #[schema(example = "ann@example.com")]
    email: String,
}

/// Sends a link, if there is an account that may be used. One statement in any case.
#[utoipa::path(
    post, path = "/api/auth/forgot", tag = "account", security(()), request_body = ForgotBody,
    responses((status = 202, description = "A mail is sent, if there is such an account.")),
    extensions(("x-problems" = json!([
        codes::MAIL_NOT_CONFIGURED, codes::ORIGIN_REQUIRED, codes::TOO_MANY_ATTEMPTS,
    ]))),
)]
pub async fn forgot_password(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<ForgotBody>,
) -> Result<StatusCode, Error> {
    app.origins.check_if_present(&headers)?;
    let mail = app.mail.as_ref().ok_or(NoMail)?;
    let email = Email::parse(&body.email)?;
    let (device, begun) = (device(&caller, &headers), Instant::now());
    let attempt = app.throttle.attempt(throttle::Purpose::Mail, Subject::Email(&email), device.address);
    // Nothing is taken back: mails that are asked for are what is limited, of accounts and of nobody alike.
    throttling::count(&app, &attempt, None, &device).await?;
    let letter = mail.outgoing.letter(Purpose::ResetPassword)?;
    steady(begun, mail_tokens::request(&app.database, Whose::Address(&email), &letter, &device)).await?;
    app.ring();
    Ok(StatusCode::ACCEPTED)
}
