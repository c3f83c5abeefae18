//! `POST /api/auth/second-factor/confirm`: the app shows that it has the secret, and from then on logins ask for its codes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use http_api::Json;
use identity_axum::{Caller, CurrentUser};
use problem::codes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::RecoveryCodesAnswer;
use crate::app::{App, Mail};
use crate::db::audit::{self, Event, Kind};
use crate::db::epochs::Asked;
use crate::db::second_factors::{self, Change, Confirmation, Enrolled};
use crate::db::throttles::Outcome;
use crate::error::Error;
use crate::http::current_session::{NoSession, current_session};
use crate::http::device::device;
use crate::http::no_store::NO_STORE;
use crate::http::throttling;
use crate::second_factor::enrolment::{self, AlreadyOn, NotConfirmed};
use crate::second_factor::{Authenticator, Code, FactorId, RecoveryCode, Step};
use crate::sessions::{CurrentSession, Device};
use crate::throttle::{Purpose, Subject};

/// A code of the app.
#[derive(Deserialize, ToSchema)]
pub struct CodeBody {
    code: String,
}

/// Confirms the pending enrolment. The answer shows the recovery codes.
#[utoipa::path(
    post, path = "/api/auth/second-factor/confirm", tag = "second factor", request_body = CodeBody,
    responses((status = 200, description = "It is on.", body = RecoveryCodesAnswer, headers(
        ("Cache-Control" = String, description = "Always `no-store`."),
    ))),
    extensions(("x-problems" = json!([
        codes::WRONG_CODE, codes::SESSION_ENDED, codes::SECOND_FACTOR_ON, codes::SECOND_FACTOR_OFF,
        codes::TOO_MANY_ATTEMPTS,
    ]))),
)]
pub async fn confirm_second_factor(
    State(app): State<Arc<App>>,
    caller: Caller,
    user: CurrentUser,
    headers: HeaderMap,
    Json(body): Json<CodeBody>,
) -> Result<impl IntoResponse, Error> {
    let (session, device) = (current_session(&user)?, device(&caller, &headers));
    let (id, step) = judge(&app, &session, &device, &Code::parse(&body.code)).await?;
    let codes = RecoveryCode::draw()?;
    let hashes = codes.map(|code| code.hash(session.user));
    let asked = Asked { session: &session, device: &device, policy: &app.sessions() };
    let confirmation = Confirmation { id, step, codes: &hashes };
    let notice = app.mail.as_ref().map(Mail::second_factor_changed);
    match second_factors::confirm(&app.database, &asked, &confirmation, notice.as_ref()).await? {
        Change::Done => {
            app.ring();
            Ok((NO_STORE, Json(RecoveryCodesAnswer::of(&codes))))
        }
        // The same code at the same time, from another tab, was first.
        Change::Unfit | Change::Overtaken => Err(AlreadyOn.into()),
        Change::NotAsked => Err(NoSession::Ended.into()),
    }
}

/// Counts the attempt, and lets the rule decide. Only a wrong code stays counted.
async fn judge(
    app: &App,
    session: &CurrentSession,
    device: &Device,
    code: &Code,
) -> Result<(FactorId, Step), Error> {
    let attempt = app.throttle.attempt(Purpose::SecondFactor, Subject::User(session.user), device.address);
    let refund = throttling::count(app, &attempt, Some(session.user), device).await?;
    let decided = look(app, session, code).await;
    match &decided {
        Ok(Err(NotConfirmed::WrongCode)) => record_wrong_code(app, session, device).await,
        Ok(Ok(_)) => throttling::take_back(app, &refund, Outcome::Succeeded).await,
        Ok(Err(NotConfirmed::AlreadyOn(_) | NotConfirmed::Off(_))) | Err(_) => {
            throttling::take_back(app, &refund, Outcome::Void).await;
        }
    }
    Ok(decided??)
}

async fn look(
    app: &App,
    session: &CurrentSession,
    code: &Code,
) -> Result<Result<(FactorId, Step), NotConfirmed>, Error> {
    let found = second_factors::find(&app.database, session, &app.sessions()).await?;
    decide(app, session, &found.ok_or(NoSession::Ended)?, code)
}

fn decide(
    app: &App,
    session: &CurrentSession,
    Enrolled { factor, now }: &Enrolled,
    code: &Code,
) -> Result<Result<(FactorId, Step), NotConfirmed>, Error> {
    let matched = match (factor, code.digits()) {
        (Some(factor), Some(digits)) => {
            let secret = app.factor_boxes.open(session.user, factor.id, &factor.secret)?;
            Authenticator::new(&secret)?.matching_step(digits, *now)
        }
        (Some(_), None) | (None, _) => None,
    };
    Ok(enrolment::confirm(factor.as_ref(), matched))
}

/// Somebody who holds the session tries codes: that belongs on record.
async fn record_wrong_code(app: &App, session: &CurrentSession, device: &Device) {
    let event = Event::refused(Kind::SecondFactorRefused, session, device);
    audit::note(&app.database, &event).await;
}
