//! `POST /api/admin/users`: an account that its owner did not register.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use http_api::Json;
use identity_axum::{Caller, CurrentUser};
use problem::codes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{AccountAnswer, Administrator};
use crate::accounts::{Role, UserId, registration};
use crate::app::App;
use crate::db::administration;
use crate::db::users::NewUser;
use crate::error::Error;
use crate::http::register::hash;

/// The body. A misspelt `role` must not pass for one that was given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccountBody {
    /// Trimmed, NFC and lower case from here on.
    #[schema(example = "ann@example.com")]
    email: String,
    /// 12 to 72 bytes.
    #[schema(example = "kettle-7-fog-lamp")]
    password: String,
    role: Option<Role>,
}

/// Makes an account.
#[utoipa::path(
    post, path = "/api/admin/users", tag = "administration", request_body = NewAccountBody,
    responses((status = 201, description = "The account.", body = AccountAnswer, headers(
        ("Location" = String, description = "Its path."),
    ))),
    extensions(("x-problems" = json!([codes::EMAIL_TAKEN, codes::SESSION_ENDED]))),
)]
pub async fn create_user(
    State(app): State<Arc<App>>,
    caller: Caller,
    admin: CurrentUser,
    headers: HeaderMap,
    Json(body): Json<NewAccountBody>,
) -> Result<impl IntoResponse, Error> {
    let admin = Administrator::new(&app, &caller, &admin, &headers)?;
    let email = registration::check(&body.email, &body.password)?;
    let password_hash = hash(&app, body.password).await?.secret().clone();
    let role = body.role.unwrap_or(Role::User);
    let new = NewUser { id: UserId::generate(), email, password_hash, role };
    let user = administration::create_account(&app.database, &admin.mandate(), &new, false).await?;
    let location = format!("/api/admin/users/{}", user.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(AccountAnswer { user: user.into() })))
}
