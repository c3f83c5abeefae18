//! `POST /api/auth/reset`: another password, for whoever has the token of a link. It ends every session of the account.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use http_api::Json;
use identity_axum::Caller;
use problem::codes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::device::device;
use super::register::hash;
use crate::accounts::hash_shares;
use crate::accounts::{Email, password_change};
use crate::app::{App, Mail};
use crate::db::epochs::{self, Reset};
use crate::db::mail_tokens::{self, Holder};
use crate::error::Error;
use crate::mail::{self, InvalidMailToken, MailTokenHash};
use crate::throttle::{Purpose, Subject};

/// The token of the link, and the password to come.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetBody {
    token: String,
    /// 12 to 72 bytes.
    #[schema(example = "kettle-7-fog-lamp")]
    new_password: String,
}

/// Replaces a forgotten password. A password that is not acceptable leaves the token good.
#[utoipa::path(
    post, path = "/api/auth/reset", tag = "account", security(()), request_body = ResetBody,
    responses((status = 204, description = "The password is replaced, and every session has ended.")),
    extensions(("x-problems" = json!([codes::INVALID_MAIL_TOKEN, codes::ORIGIN_REQUIRED]))),
)]
pub async fn reset_password(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<ResetBody>,
) -> Result<StatusCode, Error> {
    app.origins.check_if_present(&headers)?;
    let token = MailTokenHash::of_presented(&body.token)?;
    app.hashing.check(hash_shares::Purpose::NewPassword)?;
    // The token comes first: nobody without one may make us hash.
    let found = mail_tokens::find(&app.database, mail::Purpose::ResetPassword, &token).await?;
    let Holder { user, email, .. } = found.ok_or(InvalidMailToken)?;
    password_change::check(&body.new_password, Email::parse(&email).ok().as_ref())?;
    let new = hash(&app, body.new_password).await?;
    let notice = app.mail.as_ref().map(Mail::password_changed);
    let device = device(&caller, &headers);
    let attempt = app.throttle.attempt(Purpose::Login, Subject::User(user), device.address);
    let reset = Reset {
        user,
        token: &token,
        new: new.secret(),
        notice: notice.as_ref(),
        device: &device,
        remembered: attempt.remembered_address(),
        policy: &app.sessions(),
    };
    if !epochs::reset_password(&app.database, &reset).await? {
        return Err(InvalidMailToken.into());
    }
    app.announcer.announce();
    app.ring();
    Ok(StatusCode::NO_CONTENT)
}
