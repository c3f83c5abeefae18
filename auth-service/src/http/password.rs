//! `POST /api/auth/password`: another password, for whoever knows the current one. It ends every other session.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use http_api::Json;
use identity_axum::{Caller, CurrentUser};
use problem::codes;
use secret::Secret;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::current_session::{NoSession, current_session};
use super::device::device;
use super::register::hash;
use super::throttling;
use crate::accounts::Email;
use crate::accounts::hash_shares;
use crate::accounts::password_change::{self, WrongPassword};
use crate::accounts::password_hash::{self, PasswordHash};
use crate::app::{App, Mail};
use crate::db::audit::{self, Event, Kind};
use crate::db::epochs::{self, Asked, PasswordChanged};
use crate::db::sessions;
use crate::error::Error;
use crate::sessions::{CurrentSession, Device};
use crate::throttle::{Purpose, Subject};

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
    app.hashing.check(hash_shares::Purpose::NewPassword)?;
    let attempt = app.throttle.attempt(Purpose::PasswordChange, Subject::User(session.user), device.address);
    let refund = throttling::count(&app, &attempt, Some(session.user), &device).await?;
    let verdict = verify(&app, &account.password_hash, body.current_password).await;
    if !matches!(verdict, Ok(Err(WrongPassword))) {
        throttling::take_back(&app, &refund).await;
    }
    if let Err(wrong) = verdict? {
        return Err(refuse(&app, &session, &device, wrong).await);
    }
    let new = hash(&app, body.new_password).await?;
    let asked = Asked { session: &session, device: &device, policy: &app.sessions() };
    let (old, notice) = (&account.password_hash, app.mail.as_ref().map(Mail::password_changed));
    match epochs::change_password(&app.database, &asked, old, new.secret(), notice.as_ref()).await? {
        PasswordChanged::Done => {
            app.announcer.announce();
            app.ring();
            Ok(StatusCode::NO_CONTENT)
        }
        PasswordChanged::Overtaken => Err(refuse(&app, &session, &device, WrongPassword).await),
        PasswordChanged::NotAsked => Err(NoSession::Ended.into()),
    }
}

/// Compares the current password on the hash threads, in the share of new ones, and lets the rule decide.
async fn verify(
    app: &App,
    stored: &Secret<String>,
    current: String,
) -> Result<Result<(), WrongPassword>, Error> {
    let (stored, cost) = (PasswordHash::stored(stored.clone()), app.cost);
    let compare = move || password_hash::compare(&current, Some(&stored), cost);
    let verdict = app.hashing.run(hash_shares::Purpose::NewPassword, compare).await??;
    Ok(password_change::decide(&verdict))
}

/// Somebody who holds the session does not know the password: that belongs on record.
async fn refuse(app: &App, session: &CurrentSession, device: &Device, wrong: WrongPassword) -> Error {
    let event = Event {
        kind: Kind::PasswordChangeRefused,
        user: Some(session.user),
        session: Some(session.session),
        actor: None,
        device,
        detail: json!({}),
    };
    audit::note(&app.database, &event).await;
    wrong.into()
}
