//! `POST /api/auth/bootstrap`: the first administrator of a fresh installation.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use http_api::Json;
use identity_axum::Caller;
use problem::codes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::device::device;
use super::register::hash;
use super::throttling;
use super::user_answer::{CreatedAnswer, UserAnswer};
use crate::accounts::bootstrap::{BootstrapRefusal, BootstrapTokenHash};
use crate::accounts::registration::{self, EmailTaken};
use crate::accounts::{Role, UserId};
use crate::app::App;
use crate::db::bootstrap::{self as db, Bootstrapped, Standing};
use crate::db::throttles::Outcome;
use crate::db::users::NewUser;
use crate::error::Error;
use crate::throttle::{Purpose, Subject};

/// The body of a bootstrap.
#[derive(Deserialize, ToSchema)]
pub struct BootstrapBody {
    /// What the service printed at its start.
    token: String,
    #[schema(example = "boss@example.com")]
    email: String,
    /// 12 to 72 bytes.
    #[schema(example = "kettle-7-fog-lamp")]
    password: String,
}

/// Makes the first administrator.
#[utoipa::path(
    post, path = "/api/auth/bootstrap", tag = "account", security(()), request_body = BootstrapBody,
    responses((status = 201, description = "The first administrator.", body = CreatedAnswer)),
    extensions(("x-problems" = json!([
        codes::INVALID_BOOTSTRAP_TOKEN, codes::NOT_FOUND, codes::EMAIL_TAKEN, codes::TOO_MANY_ATTEMPTS,
    ]))),
)]
pub async fn bootstrap_admin(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<BootstrapBody>,
) -> Result<impl IntoResponse, Error> {
    if !app.allow_bootstrap {
        return Err(BootstrapRefusal::Closed.into());
    }
    let token = BootstrapTokenHash::of(&body.token);
    // The token comes first: nobody without it may make us hash, or learn what we think of their password.
    let standing = db::standing(&app.database, token).await?;
    if standing == Standing::Closed {
        return Err(BootstrapRefusal::Closed.into());
    }
    let device = device(&caller, &headers);
    let attempt = app.throttle.attempt(Purpose::Bootstrap, Subject::Service, device.address);
    let refund = throttling::count(&app, &attempt, None, &device).await?;
    admit(standing)?;
    throttling::take_back(&app, &refund, Outcome::Succeeded).await;
    let email = registration::check(&body.email, &body.password)?;
    let password_hash = hash(&app, body.password).await?.secret().clone();
    let new = NewUser { id: UserId::generate(), email, password_hash, role: Role::Admin };
    match db::claim(&app.database, token, &new, &device).await? {
        Bootstrapped::Done => {}
        Bootstrapped::Refused(standing) => {
            return Err(admit(standing).err().unwrap_or(BootstrapRefusal::WrongToken).into());
        }
        Bootstrapped::EmailTaken => return Err(EmailTaken.into()),
    }
    let user = UserAnswer { id: new.id, email: new.email.as_str().to_owned(), role: new.role };
    Ok((StatusCode::CREATED, Json(CreatedAnswer { user })))
}

const fn admit(standing: Standing) -> Result<(), BootstrapRefusal> {
    match standing {
        Standing::Good => Ok(()),
        Standing::Wrong => Err(BootstrapRefusal::WrongToken),
        Standing::Closed => Err(BootstrapRefusal::Closed),
    }
}
