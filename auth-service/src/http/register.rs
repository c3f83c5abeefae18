//! `POST /api/auth/register`: a new account with the role USER.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use http_api::Json;
use identity_axum::Caller;
use problem::codes;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::device::device;
use super::steady::steady;
use super::throttling;
use super::user_answer::CreatedAnswer;
use crate::accounts::hash_shares;
use crate::accounts::password_hash::PasswordHash;
use crate::accounts::{Email, Role, UserId, registration};
use crate::app::{App, Mail};
use crate::db::audit::{self, Event};
use crate::db::registration::{self as by_mail, Registration};
use crate::db::users::{self, NewUser};
use crate::error::Error;
use crate::mail::{self, Kind};
use crate::sessions::Device;
use crate::throttle::{Purpose, Subject};

/// The body of a registration.
#[derive(Deserialize, ToSchema)]
pub struct RegisterBody {
    /// Trimmed, NFC and lower case from here on.
    #[schema(example = "ann@example.com")]
    email: String,
    /// 12 to 72 bytes.
    #[schema(example = "kettle-7-fog-lamp")]
    password: String,
}

/// Makes an account. Where there is mail, the answer is the same whether the address had one already or not, and mail tells.
#[utoipa::path(
    post, path = "/api/auth/register", tag = "account", security(()), request_body = RegisterBody,
    responses(
        (status = 201, description = "The account, where no mail is sent.", body = CreatedAnswer),
        (status = 202, description = "Where mail is sent: it says what became of it."),
    ),
    extensions(("x-problems" = json!([codes::EMAIL_TAKEN, codes::TOO_MANY_ATTEMPTS]))),
)]
pub async fn register_user(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<RegisterBody>,
) -> Result<Response, Error> {
    let email = registration::check(&body.email, &body.password)?;
    let device = device(&caller, &headers);
    app.hashing.check(hash_shares::Purpose::NewPassword)?;
    let (purpose, subject) = match app.mail {
        Some(_) => (Purpose::Mail, Subject::Email(&email)),
        None => (Purpose::Registration, Subject::Service),
    };
    let begun = Instant::now();
    let attempt = app.throttle.attempt(purpose, subject, device.address);
    // Nothing is taken back: accounts and mails that are made are what is limited, and taken addresses are not to be tried out either.
    throttling::count(&app, &attempt, None, &device).await?;
    let hashing = Instant::now();
    let password_hash = hash(&app, body.password).await?;
    if let Some(post) = &app.mail {
        // How long a hash takes depends on nothing that is found.
        let begun = begun + hashing.elapsed();
        steady(begun, register_by_mail(&app, post, &email, &password_hash, &device)).await?;
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    let new = NewUser {
        id: UserId::generate(),
        email,
        password_hash: password_hash.secret().clone(),
        role: Role::User,
    };
    let user = users::insert(&app.database, &new).await?;
    audit::note(&app.database, &Event::account_created(user.id, &device)).await;
    Ok((StatusCode::CREATED, Json(CreatedAnswer { user: user.into() })).into_response())
}

async fn register_by_mail(
    app: &App,
    post: &Mail,
    email: &Email,
    password_hash: &PasswordHash,
    device: &Device,
) -> Result<(), Error> {
    let letter = post.outgoing.letter(mail::Purpose::VerifyEmail)?;
    let new = Registration {
        user: UserId::generate(),
        email,
        password_hash: password_hash.secret(),
        letter: &letter,
        notice: &post.outgoing.notice(Kind::AccountExists),
        device,
    };
    by_mail::register(&app.database, &new).await?;
    app.ring();
    Ok(())
}

/// Hashes an acceptable password on the hash threads.
pub(super) async fn hash(app: &App, password: String) -> Result<PasswordHash, Error> {
    let cost = app.cost;
    Ok(app
        .hashing
        .run(hash_shares::Purpose::NewPassword, move || PasswordHash::of(&password, cost))
        .await??)
}
