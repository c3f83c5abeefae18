//! `POST /api/auth/login/second-factor`: the second step of a login. Two statements: one to count the attempt and load what the code is
//! judged by, one to use the code up and open the session.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use http_api::Json;
use identity_axum::Caller;
use problem::codes;
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::device::device;
use super::login::BodyDeliveryRefused;
use super::origin::comes_from_a_browser;
use super::throttling;
use super::token_answer::{self, TokenAnswer};
use super::user_answer::UserAnswer;
use crate::accounts::UserId;
use crate::app::{App, Mail};
use crate::db::audit::{self, Event};
use crate::db::second_factors;
use crate::db::sessions;
use crate::db::throttles::{self, Outcome};
use crate::db::users::Credentials;
use crate::error::Error;
use crate::second_factor::login::{self, Proof, SecondStepRefusal, ShownFactor, Standing};
use crate::second_factor::{Authenticator, Code, Factor, RecoveryHash};
use crate::sessions::{Delivery, Device, NewSession, SessionId};
use crate::throttle::{Attempt, Key, Purpose, Refund, Subject, Throttled};
use crate::tokens::{LoginChallenge, Nonce, RefreshToken};

/// The challenge that the first step gave, and a code.
#[derive(Deserialize, ToSchema)]
pub struct SecondStepBody {
    challenge: String,
    code: String,
}

/// Logs in, after the password.
#[utoipa::path(
    post, path = "/api/auth/login/second-factor", tag = "session", security(()), request_body = SecondStepBody,
    responses(TokenAnswer<'static>),
    extensions(("x-problems" = json!([
        codes::INVALID_CHALLENGE, codes::INVALID_CODE, codes::ORIGIN_REQUIRED, codes::BODY_DELIVERY_REFUSED,
        codes::TOO_MANY_ATTEMPTS,
    ]))),
)]
pub async fn log_in_with_second_factor(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<SecondStepBody>,
) -> Result<Response, Error> {
    let answer = open_session(&app, device(&caller, &headers), &headers, body).await;
    app.metrics.count_login(&answer);
    answer
}

async fn open_session(
    app: &App,
    device: Device,
    headers: &HeaderMap,
    body: SecondStepBody,
) -> Result<Response, Error> {
    app.origins.check_if_present(headers)?;
    let challenge = app.challenge_keys.open(&body.challenge);
    let challenge = challenge.map_err(|_not_ours| SecondStepRefusal::InvalidChallenge)?;
    if challenge.delivery == Delivery::Body && comes_from_a_browser(headers) {
        return Err(BodyDeliveryRefused.into());
    }
    token_answer::require_signer(app)?;
    let attempt = app.throttle.attempt(Purpose::SecondFactor, Subject::User(challenge.user), device.address);
    let shown = judge(app, &challenge, &Code::parse(&body.code), &attempt, &device).await?;
    let new = NewSession {
        notice: app.mail.as_ref().map(|mail| mail.new_device(&attempt)),
        ..new_session(&challenge, &shown, attempt.remembered_address(), device.clone())
    };
    // Of those who show one code at once only the first gets a session.
    let Some(session) = sessions::open(&app.database, &new, &app.sessions()).await? else {
        return Err(refuse(app, challenge.user, &device, SecondStepRefusal::InvalidCode).await);
    };
    let refresh = RefreshToken::first(session.id, session.delivery, new.nonce);
    token_answer::answer(app, &UserAnswer::from(shown.account.user), &session, &refresh)
}

/// A code that the rule lets in.
struct Shown {
    account: Credentials,
    factor: ShownFactor,
    refund: Refund,
}

/// Counts the attempt, loads the account and lets the rule decide.
async fn judge(
    app: &App,
    challenge: &LoginChallenge,
    code: &Code,
    attempt: &Attempt<'_>,
    device: &Device,
) -> Result<Shown, Error> {
    let hash = code.recovery().map(|code| code.hash(challenge.user));
    let found = second_factors::find_for_login(&app.database, challenge.user, hash.as_ref(), attempt).await?;
    let (account, refund) = (found.account.as_ref(), found.counted);
    let refund = match refund {
        Ok(refund) => refund,
        Err(throttled) => {
            return Err(throttling::turn_away(app, throttled, Some(challenge.user), device).await);
        }
    };
    let recovery = hash.filter(|_hash| found.has_recovery_code);
    let proof = match shown(app, account, code, recovery, found.now) {
        Ok(proof) => proof,
        Err(our_fault) => {
            throttling::take_back(app, &refund, Outcome::Void).await;
            return Err(our_fault);
        }
    };
    match login::decide(challenge, account.map(|account| standing(account, found.now)), proof) {
        Ok(proof) => {
            // A decision to let in without an account does not exist; the rule says so too.
            let (account, factor) = found.account.ok_or(SecondStepRefusal::InvalidChallenge)?;
            Ok(Shown { account, factor: ShownFactor { factor: factor.id, proof }, refund })
        }
        Err(refusal) => {
            if refusal == SecondStepRefusal::InvalidChallenge {
                // What the code was played no part, so nobody has learnt anything.
                throttling::take_back(app, &refund, Outcome::Void).await;
            }
            Err(refuse(app, challenge.user, device, refusal).await)
        }
    }
}

fn standing((account, factor): &(Credentials, Factor), now: OffsetDateTime) -> Standing<'_> {
    let Credentials { user, password_hash, .. } = account;
    Standing { status: user.status, epoch: user.epoch, password_hash, factor, now }
}

/// What the code proves to be. `recovery`: one of the account's.
fn shown(
    app: &App,
    account: Option<&(Credentials, Factor)>,
    code: &Code,
    recovery: Option<RecoveryHash>,
    now: OffsetDateTime,
) -> Result<Option<Proof>, Error> {
    let (Some((account, factor)), Some(digits)) = (account, code.digits()) else {
        return Ok(recovery.map(Proof::Recovery));
    };
    let secret = app.factor_boxes.open(account.user.id, factor.id, &factor.secret)?;
    Ok(Authenticator::new(&secret)?.matching_step(digits, now).map(Proof::Step))
}

fn new_session(
    challenge: &LoginChallenge,
    shown: &Shown,
    remembered: Option<Key>,
    device: Device,
) -> NewSession {
    NewSession {
        id: SessionId::generate(),
        user: challenge.user,
        epoch: challenge.epoch,
        password_hash: shown.account.password_hash.clone(),
        nonce: Nonce::generate(),
        delivery: challenge.delivery,
        amr: shown.factor.proof.amr(),
        device,
        rehashed: None,
        remembered,
        refund: shown.refund.clone(),
        second_factor: Some(shown.factor),
        notice: None,
    }
}

/// Audits a refusal.
async fn refuse(app: &App, user: UserId, device: &Device, refusal: SecondStepRefusal) -> Error {
    let error = Error::from(refusal);
    audit::note(&app.database, &Event::login_refused(Some(user), device, error.code())).await;
    if refusal == SecondStepRefusal::InvalidCode {
        watch(app, user, device).await;
    }
    error
}

/// Counts a wrong code for the alarm, and raises it once in the window. That it cannot be done is no reason to answer otherwise.
async fn watch(app: &App, user: UserId, device: &Device) {
    let attempt = app.throttle.attempt(Purpose::SecondFactorAlarm, Subject::User(user), device.address);
    let raised = async {
        if let Err(Throttled { is_first: true, .. }) = throttles::count(&app.database, &attempt).await? {
            let notice = app.mail.as_ref().map(Mail::second_factor_failures);
            second_factors::raise_alarm(&app.database, user, device, notice.as_ref()).await?;
            app.ring();
        }
        Ok::<_, database::Error>(())
    };
    if let Err(error) = raised.await {
        tracing::warn!(error = &error as &dyn std::error::Error, "nobody is told of codes that are tried");
    }
}
