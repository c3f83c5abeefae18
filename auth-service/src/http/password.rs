//! `POST /api/auth/password`: another password, for whoever knows the current one. It ends every other session.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use http_api::Json;
use identity_axum::{Caller, CurrentUser};
use problem::codes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::current_password::Asking;
use super::current_session::{NoSession, current_session};
use super::device::device;
use super::register::hash;
use crate::accounts::Email;
use crate::accounts::password_change;
use crate::app::{App, Mail};
use crate::db::audit::Kind;
use crate::db::epochs::{self, Asked, PasswordChanged};
use crate::db::sessions;
use crate::error::Error;

/// The current password and the one to come.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordBody {
    #[schema(example = "kettle-7-fog-lamp")]
    current_password: String,
    /// 12 to 72 bytes.
    #[schema(example = "candle-3-rain-door")]
    new_password: String,
}

/// Changes the caller's password. The session that asks goes on; its next access token comes with its next refresh.
#[utoipa::path(
    post, path = "/api/auth/password", tag = "account", request_body = PasswordBody,
    responses((status = 204, description = "The password is another, and every other session has ended.")),
    extensions(("x-problems" = json!([codes::WRONG_PASSWORD, codes::SESSION_ENDED, codes::TOO_MANY_ATTEMPTS]))),
)]
pub async fn change_password(
    State(app): State<Arc<App>>,
    caller: Caller,
    user: CurrentUser,
    headers: HeaderMap,
    Json(body): Json<PasswordBody>,
) -> Result<StatusCode, Error> {
    let (session, device) = (current_session(&user)?, device(&caller, &headers));
    let found = sessions::find_asking(&app.database, &session, &app.sessions()).await?;
    let account = found.ok_or(NoSession::Ended)?;
    password_change::check(&body.new_password, Email::parse(&account.user.email).ok().as_ref())?;
    let asking = Asking { session: &session, device: &device, refusal: Kind::PasswordChangeRefused };
    asking.check(&app, &account, body.current_password).await?;
    let new = hash(&app, body.new_password).await?;
    let asked = Asked { session: &session, device: &device, policy: &app.sessions() };
    let (old, notice) = (&account.password_hash, app.mail.as_ref().map(Mail::password_changed));
    match epochs::change_password(&app.database, &asked, old, new.secret(), notice.as_ref()).await? {
        PasswordChanged::Done => {
            app.announcer.announce();
            app.ring();
            Ok(StatusCode::NO_CONTENT)
        }
        PasswordChanged::Overtaken => Err(asking.refuse(&app).await),
        PasswordChanged::NotAsked => Err(NoSession::Ended.into()),
    }
}
