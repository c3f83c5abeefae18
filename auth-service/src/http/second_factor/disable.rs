//! `DELETE /api/auth/second-factor`: no second factor any more, for whoever knows the password.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use http_api::Json;
use identity_axum::{Caller, CurrentUser};
use problem::codes;

use super::CurrentPasswordBody;
use crate::app::{App, Mail};
use crate::db::audit::Kind;
use crate::db::epochs::Asked;
use crate::db::second_factors::{self, Change};
use crate::error::Error;
use crate::http::current_password::Asking;
use crate::http::current_session::{NoSession, current_session};
use crate::http::device::device;

/// Removes what the caller has enrolled, with its recovery codes. That there was nothing is no error: the answer to the
/// first request may have been lost.
#[utoipa::path(
    delete, path = "/api/auth/second-factor", tag = "second factor", request_body = CurrentPasswordBody,
    responses((status = 204, description = "The account has no second factor.")),
    extensions(("x-problems" = json!([
        codes::WRONG_PASSWORD, codes::SESSION_ENDED, codes::TOO_MANY_ATTEMPTS,
    ]))),
)]
pub async fn disable_second_factor(
    State(app): State<Arc<App>>,
    caller: Caller,
    user: CurrentUser,
    headers: HeaderMap,
    Json(body): Json<CurrentPasswordBody>,
) -> Result<StatusCode, Error> {
    let (session, device) = (current_session(&user)?, device(&caller, &headers));
    let asking = Asking { session: &session, device: &device, refusal: Kind::SecondFactorRefused };
    let account = asking.require(&app, body.current_password).await?;
    let asked = Asked { session: &session, device: &device, policy: &app.sessions() };
    let notice = app.mail.as_ref().map(Mail::second_factor_changed);
    match second_factors::disable(&app.database, &asked, &account.password_hash, notice.as_ref()).await? {
        Change::Done | Change::Unfit => {
            app.ring();
            Ok(StatusCode::NO_CONTENT)
        }
        Change::Overtaken => Err(asking.refuse(&app).await),
        Change::NotAsked => Err(NoSession::Ended.into()),
    }
}
