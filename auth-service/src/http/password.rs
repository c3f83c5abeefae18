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
use crate::accounts::password_hash::PasswordHash;
use crate::app::{App, Mail};
use crate::db::audit::Kind;
use crate::db::epochs::{self, Asked, PasswordChanged};
use crate::db::sessions;
use crate::db::users::Credentials;
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
    let asked = Asked { session: &session, device: &device, policy: &app.sessions() };
    let account = account(&app, &asked).await?;
    password_change::check(&body.new_password, Email::parse(&account.user.email).ok().as_ref())?;
    let asking = Asking { session: &session, device: &device, refusal: Kind::PasswordChangeRefused };
    asking.check(&app, &account, body.current_password.clone()).await?;
    let new = hash(&app, body.new_password).await?;
    let mut changed = change(&app, &asked, &account, &new).await?;
    if changed == PasswordChanged::Overtaken {
        // The hash is another one than was verified: a login beside this may only have made it anew at a higher cost.
        let again = self::account(&app, &asked).await?;
        asking.check(&app, &again, body.current_password).await?;
        changed = change(&app, &asked, &again, &new).await?;
    }
    match changed {
        PasswordChanged::Done => {
            app.announcer.announce();
            app.ring();
            Ok(StatusCode::NO_CONTENT)
        }
        PasswordChanged::Overtaken => Err(asking.refuse(&app).await),
        PasswordChanged::NotAsked => Err(NoSession::Ended.into()),
    }
}

async fn account(app: &App, asked: &Asked<'_>) -> Result<Credentials, Error> {
    let found = sessions::find_asking(&app.database, asked.session, asked.policy).await?;
    Ok(found.ok_or(NoSession::Ended)?)
}

/// Puts the new hash in the place of the one that was verified, if it is still there.
async fn change(
    app: &App,
    asked: &Asked<'_>,
    verified: &Credentials,
    new: &PasswordHash,
) -> Result<PasswordChanged, Error> {
    let (old, notice) = (&verified.password_hash, app.mail.as_ref().map(Mail::password_changed));
    Ok(epochs::change_password(&app.database, asked, old, new.secret(), notice.as_ref()).await?)
}
