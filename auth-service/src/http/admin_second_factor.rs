//! `DELETE /api/admin/users/{id}/second-factor`: for somebody who has lost both the app and the recovery codes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use identity_axum::{Caller, CurrentUser};
use problem::codes;

use super::current_session::{NoSession, current_session};
use super::device::device;
use super::path_ids::NO_SUCH_ACCOUNT;
use crate::accounts::UserId;
use crate::app::{App, Mail};
use crate::db::epochs::Asked;
use crate::db::second_factors::{self, Change};
use crate::error::Error;
use crate::second_factor::enrolment::OwnFactor;

/// Removes what an account has enrolled, if anything. An administrator's own needs the password, as everybody's own does.
#[utoipa::path(
    delete, path = "/api/admin/users/{id}/second-factor", tag = "administration", params(("id" = UserId, Path)),
    responses((status = 204, description = "The account has no second factor.")),
    extensions(("x-problems" = json!([codes::SESSION_ENDED]))),
)]
pub async fn reset_second_factor(
    State(app): State<Arc<App>>,
    caller: Caller,
    admin: CurrentUser,
    user: UserId,
    headers: HeaderMap,
) -> Result<StatusCode, Error> {
    let (session, device) = (current_session(&admin)?, device(&caller, &headers));
    if session.user == user {
        return Err(OwnFactor.into());
    }
    let asked = Asked { session: &session, device: &device, policy: &app.sessions() };
    let notice = app.mail.as_ref().map(Mail::second_factor_changed);
    match second_factors::reset(&app.database, &asked, user, notice.as_ref()).await? {
        Change::Done => {
            app.ring();
            Ok(StatusCode::NO_CONTENT)
        }
        Change::Unfit | Change::Overtaken => Err(NO_SUCH_ACCOUNT.into()),
        Change::NotAsked => Err(NoSession::Ended.into()),
    }
}
