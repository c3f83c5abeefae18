//! `POST /api/auth/second-factor/recovery-codes`: another set of recovery codes; those before are void.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use http_api::Json;
use identity_axum::{Caller, CurrentUser};
use problem::codes;

use super::{CurrentPasswordBody, RecoveryCodesAnswer};
use crate::app::{App, Mail};
use crate::db::audit::Kind;
use crate::db::epochs::Asked;
use crate::db::second_factors::{self, Change};
use crate::error::Error;
use crate::http::current_password::Asking;
use crate::http::current_session::{NoSession, current_session};
use crate::http::device::device;
use crate::http::no_store::NO_STORE;
use crate::second_factor::RecoveryCode;
use crate::second_factor::enrolment::Off;

/// Replaces the caller's recovery codes.
#[utoipa::path(
    post, path = "/api/auth/second-factor/recovery-codes", tag = "second factor", request_body = CurrentPasswordBody,
    responses((status = 200, description = "Those before are void.", body = RecoveryCodesAnswer, headers(
        ("Cache-Control" = String, description = "Always `no-store`."),
    ))),
    extensions(("x-problems" = json!([
        codes::WRONG_PASSWORD, codes::SESSION_ENDED, codes::SECOND_FACTOR_OFF, codes::TOO_MANY_ATTEMPTS,
    ]))),
)]
pub async fn replace_recovery_codes(
    State(app): State<Arc<App>>,
    caller: Caller,
    user: CurrentUser,
    headers: HeaderMap,
    Json(body): Json<CurrentPasswordBody>,
) -> Result<impl IntoResponse, Error> {
    let (session, device) = (current_session(&user)?, device(&caller, &headers));
    let asking = Asking { session: &session, device: &device, refusal: Kind::SecondFactorRefused };
    let account = asking.require(&app, body.current_password).await?;
    let codes = RecoveryCode::draw()?;
    let hashes = codes.map(|code| code.hash(session.user));
    let asked = Asked { session: &session, device: &device, policy: &app.sessions() };
    let notice = app.mail.as_ref().map(Mail::second_factor_changed);
    let verified = &account.password_hash;
    let changed =
        second_factors::replace_recovery_codes(&app.database, &asked, verified, &hashes, notice.as_ref());
    match changed.await? {
        Change::Done => {
            app.ring();
            Ok((NO_STORE, Json(RecoveryCodesAnswer::of(&codes))))
        }
        Change::Unfit => Err(Off.into()),
        Change::Overtaken => Err(asking.refuse(&app).await),
        Change::NotAsked => Err(NoSession::Ended.into()),
    }
}
