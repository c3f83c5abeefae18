//! `POST /api/auth/second-factor`: a secret for an authenticator app, shown once. It is in force when it is confirmed.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_api::Json;
use identity_axum::{Caller, CurrentUser};
use problem::codes;
use serde::Serialize;
use utoipa::ToSchema;

use super::CurrentPasswordBody;
use crate::app::App;
use crate::db::audit::Kind;
use crate::db::epochs::Asked;
use crate::db::second_factors::{self, Change, Enrolment};
use crate::error::Error;
use crate::http::current_password::Asking;
use crate::http::current_session::{NoSession, current_session};
use crate::http::device::device;
use crate::http::no_store::NO_STORE;
use crate::second_factor::FactorId;
use crate::second_factor::authenticator::{self, Introduction};
use crate::second_factor::enrolment::AlreadyOn;

/// What the app needs to know.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnrolmentAnswer {
    secret: String,
    otpauth_uri: String,
    /// A `data:` URI of an SVG document, for the `src` of an image.
    qr_code: String,
}

/// Enrols, in the place of what is pending.
#[utoipa::path(
    post, path = "/api/auth/second-factor", tag = "second factor", request_body = CurrentPasswordBody,
    responses((status = 200, description = "Shown once.", body = EnrolmentAnswer, headers(
        ("Cache-Control" = String, description = "Always `no-store`."),
    ))),
    extensions(("x-problems" = json!([
        codes::WRONG_PASSWORD, codes::SESSION_ENDED, codes::SECOND_FACTOR_ON, codes::TOO_MANY_ATTEMPTS,
    ]))),
)]
pub async fn enrol_second_factor(
    State(app): State<Arc<App>>,
    caller: Caller,
    user: CurrentUser,
    headers: HeaderMap,
    Json(body): Json<CurrentPasswordBody>,
) -> Result<impl IntoResponse, Error> {
    let (session, device) = (current_session(&user)?, device(&caller, &headers));
    let asking = Asking { session: &session, device: &device, refusal: Kind::SecondFactorRefused };
    let account = asking.require(&app, body.current_password).await?;
    let (id, secret) = (FactorId::generate(), authenticator::generate_secret()?);
    let told = authenticator::introduce(&secret, &app.second_factor_issuer, &account.user.email)?;
    let sealed = app.factor_boxes.seal(account.user.id, id, &secret)?;
    let asked = Asked { session: &session, device: &device, policy: &app.sessions() };
    let new = Enrolment { id, secret: &sealed };
    match second_factors::enrol(&app.database, &asked, &account.password_hash, &new).await? {
        Change::Done => Ok((NO_STORE, Json(EnrolmentAnswer::from(told)))),
        Change::Unfit => Err(AlreadyOn.into()),
        Change::Overtaken => Err(asking.refuse(&app).await),
        Change::NotAsked => Err(NoSession::Ended.into()),
    }
}

impl From<Introduction> for EnrolmentAnswer {
    fn from(told: Introduction) -> Self {
        let svg = STANDARD.encode(told.qr_svg.expose());
        Self {
            secret: told.secret.expose().clone(),
            otpauth_uri: told.uri.expose().clone(),
            qr_code: format!("data:image/svg+xml;base64,{svg}"),
        }
    }
}
