//! `POST /api/auth/login`: two statements, one to count the attempt and load the account and one to open the session, and
//! a hash between them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use http_api::Json;
use identity_axum::Caller;
use problem::codes;
use secret::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::device::device;
use super::login_challenge::require_second_factor;
use super::origin::comes_from_a_browser;
use super::throttling;
use super::token_answer::{self, TokenAnswer};
use super::user_answer::UserAnswer;
use crate::accounts::hash_shares;
use crate::accounts::login::{self, LoginRefusal, Standing};
use crate::accounts::password_hash::{self, PasswordHash};
use crate::accounts::{Email, UserId};
use crate::app::App;
use crate::db::audit::{self, Event};
use crate::db::login::{Found, find_for_login};
use crate::db::second_factors::RightPassword;
use crate::db::sessions;
use crate::db::throttles::Outcome;
use crate::db::users::{Credentials, User};
use crate::error::Error;
use crate::second_factor::FactorId;
use crate::sessions::{Delivery, Device, NewSession, Session, SessionId};
use crate::throttle::{Attempt, Purpose, Refund, Subject};
use crate::tokens::{Nonce, RefreshToken};

/// The body of a login.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginBody {
    #[schema(example = "ann@example.com")]
    email: String,
    #[schema(example = "kettle-7-fog-lamp")]
    password: String,
    /// How the refresh token travels from here on: `cookie` unless a client that is no browser asks for `body`.
    token_delivery: Option<Delivery>,
}

/// A browser wants its refresh token where scripts can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a browser gets its refresh token as a cookie; only other clients may ask for it in the body")]
pub struct BodyDeliveryRefused;

/// Logs in.
#[utoipa::path(
    post, path = "/api/auth/login", tag = "session", security(()), request_body = LoginBody,
    responses(TokenAnswer<'static>),
    extensions(("x-problems" = json!([
        codes::INVALID_CREDENTIALS, codes::ACCOUNT_DISABLED, codes::EMAIL_UNVERIFIED, codes::MFA_REQUIRED,
        codes::ORIGIN_REQUIRED, codes::BODY_DELIVERY_REFUSED, codes::TOO_MANY_ATTEMPTS,
    ]))),
)]
pub async fn log_in(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<LoginBody>,
) -> Result<Response, Error> {
    let answer = open_session(&app, device(&caller, &headers), &headers, body).await;
    app.metrics.count_login(&answer);
    answer
}

async fn open_session(
    app: &App,
    device: Device,
    headers: &HeaderMap,
    body: LoginBody,
) -> Result<Response, Error> {
    app.origins.check_if_present(headers)?;
    let delivery = delivery(body.token_delivery, headers)?;
    let email = Email::parse(&body.email)?;
    token_answer::require_signer(app)?;
    // Before the attempt is counted: who is sent away unheard has not failed.
    app.hashing.check(hash_shares::Purpose::Login)?;
    let attempt = app.throttle.attempt(Purpose::Login, Subject::Email(&email), device.address);
    let admitted = admit(app, &email, &attempt, body.password, &device).await?;
    if let Some(factor) = admitted.second_factor {
        let (password, epoch) = (admitted.right_password(&device), admitted.user.epoch);
        return Err(require_second_factor(app, &password, factor, epoch, delivery).await?.into());
    }
    let notice = app.mail.as_ref().map(|mail| mail.new_device(&attempt));
    let new = NewSession {
        remembered: attempt.remembered_address(),
        notice,
        ..admitted.new_session(delivery, device)
    };
    let session = open(app, &new).await?;
    let refresh = RefreshToken::first(session.id, session.delivery, new.nonce);
    token_answer::answer(app, &UserAnswer::from(admitted.user), &session, &refresh)
}

fn delivery(wanted: Option<Delivery>, headers: &HeaderMap) -> Result<Delivery, BodyDeliveryRefused> {
    match wanted.unwrap_or(Delivery::Cookie) {
        Delivery::Body if comes_from_a_browser(headers) => Err(BodyDeliveryRefused),
        delivery => Ok(delivery),
    }
}

/// Whom the password lets in.
struct Admitted {
    user: User,
    /// The hash that the password was compared with.
    verified: Secret<String>,
    /// The same password under today's cost, when that hash was cheaper.
    rehashed: Option<Secret<String>>,
    second_factor: Option<FactorId>,
    refund: Refund,
}

impl Admitted {
    fn right_password<'a>(&'a self, device: &'a Device) -> RightPassword<'a> {
        let Self { user, verified, rehashed, refund, .. } = self;
        RightPassword { user: user.id, verified, rehashed: rehashed.as_ref(), refund, device }
    }

    fn new_session(&self, delivery: Delivery, device: Device) -> NewSession {
        NewSession {
            id: SessionId::generate(),
            user: self.user.id,
            epoch: self.user.epoch,
            password_hash: self.verified.clone(),
            nonce: Nonce::generate(),
            delivery,
            amr: vec!["pwd".to_owned()],
            device,
            rehashed: self.rehashed.clone(),
            remembered: None,
            refund: self.refund.clone(),
            second_factor: None,
            notice: None,
        }
    }
}

/// Counts the attempt, loads the account, compares the password and lets the rule decide.
async fn admit(
    app: &App,
    email: &Email,
    attempt: &Attempt<'_>,
    password: String,
    device: &Device,
) -> Result<Admitted, Error> {
    let Found { credentials, second_factor, counted } = find_for_login(&app.database, email, attempt).await?;
    let refund = match counted {
        Ok(refund) => refund,
        Err(throttled) => {
            let user = credentials.map(|credentials| credentials.user.id);
            return Err(throttling::turn_away(app, throttled, user, device).await);
        }
    };
    let rehashed = match verify(app, credentials.as_ref(), password, &refund).await? {
        Ok(rehashed) => rehashed.map(|rehashed| rehashed.secret().clone()),
        Err(refusal) => {
            let user = credentials.as_ref().map(|credentials| credentials.user.id);
            return Err(refuse(app, user, device, refusal).await);
        }
    };
    // A decision to let in without an account does not exist; the rule says so too.
    let Credentials { user, password_hash, .. } = credentials.ok_or(LoginRefusal::InvalidCredentials)?;
    Ok(Admitted { user, verified: password_hash, rehashed, second_factor, refund })
}

/// Compares the password on the hash threads and lets the rule decide.
async fn verify(
    app: &App,
    credentials: Option<&Credentials>,
    password: String,
    refund: &Refund,
) -> Result<Result<Option<PasswordHash>, LoginRefusal>, Error> {
    let stored = credentials.map(|credentials| PasswordHash::stored(credentials.password_hash.clone()));
    let cost = app.cost;
    let compare = move || password_hash::compare(&password, stored.as_ref(), cost);
    let verdict = match app.hashing.run(hash_shares::Purpose::Login, compare).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(failed)) => return Err(not_compared(app, refund, failed).await),
        Err(overloaded) => return Err(not_compared(app, refund, overloaded).await),
    };
    let account = credentials.map(|credentials| Standing {
        status: credentials.user.status,
        must_verify: app.require_verified && !credentials.email_verified,
    });
    Ok(login::decide(account, verdict))
}

async fn not_compared(app: &App, refund: &Refund, why: impl Into<Error>) -> Error {
    throttling::take_back(app, refund, Outcome::Void).await;
    why.into()
}

/// Audits a refusal, in one statement whether the account exists or not.
async fn refuse(app: &App, user: Option<UserId>, device: &Device, refusal: LoginRefusal) -> Error {
    let error = Error::from(refusal);
    audit::note(&app.database, &Event::login_refused(user, device, error.code())).await;
    error
}

/// `None` of the database: between the two statements the password, the epoch or the status changed.
async fn open(app: &App, new: &NewSession) -> Result<Session, Error> {
    match sessions::open(&app.database, new, &app.sessions()).await? {
        Some(session) => Ok(session),
        None => Err(refuse(app, Some(new.user), &new.device, LoginRefusal::InvalidCredentials).await),
    }
}
