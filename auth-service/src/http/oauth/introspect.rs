//! `POST /oauth/introspect`: what a token is worth at this moment (RFC 7662). One statement.

use std::sync::Arc;

use access_token::{Audience, Claims, FIRST_PARTY_CLIENT};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use http_api::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::authenticate::{Authenticated, authenticate};
use super::error::{ErrorAnswer, OAuthError};
use super::form::Form;
use super::peer::Peer;
use super::refusals::Refusals;
use super::subject::subject;
use super::{NOT_STORED, credentials};
use crate::accounts::Role;
use crate::app::App;
use crate::clients::introspection::{Owned, Subject, is_active};
use crate::clients::scopes::INTROSPECT;

/// RFC 7662, section 2.2, with our own claims under their own names.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = Introspection)]
pub(super) struct Introspection<'a> {
    active: bool,
    /// `Bearer` of an access token. A refresh token says so, because nobody may take one for the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amr: Option<&'a [String]>,
}

/// Says what a token is, to a client that may know.
#[utoipa::path(
    post, path = "/oauth/introspect", tag = "internal", security(()),
    request_body(content = BTreeMap<String, String>, content_type = "application/x-www-form-urlencoded", description = "`token`, and the client's credentials."),
    responses(
        (status = 200, description = "What the token is worth.", body = Introspection<'static>),
        (status = 400, description = "`invalid_request`.", body = ErrorAnswer<'static>),
        (status = 403, description = "`insufficient_scope`.", body = ErrorAnswer<'static>),
        Refusals<'static>,
    ),
    extensions(("x-own-errors" = json!(true))),
)]
pub async fn introspect_token(
    State(app): State<Arc<App>>,
    Peer(device): Peer,
    headers: HeaderMap,
    form: Form,
) -> Result<impl IntoResponse, OAuthError> {
    let credentials = credentials::read(&headers, &form)?;
    let subject = subject(&app, form.require("token")?);
    let caller = authenticate(&app, &credentials, subject.as_ref(), &device).await?;
    caller.require(INTROSPECT)?;
    Ok((NOT_STORED, Json(introspection(&app, subject.as_ref(), &caller))).into_response())
}

fn introspection<'a>(
    app: &'a App,
    subject: Option<&'a Subject>,
    caller: &'a Authenticated,
) -> Introspection<'a> {
    let Authenticated { standing, now, .. } = caller;
    let active = subject.filter(|subject| is_active(subject, standing, &app.sessions(), *now));
    match (active, &standing.owned) {
        (Some(Subject::Client(claims)), _) => of_access_token(claims),
        (Some(Subject::User(claims, _)), Some(owned)) => Introspection {
            username: Some(&owned.email),
            role: Some(owned.role),
            sid: claims.sid.clone(),
            auth_time: claims.auth_time,
            amr: Some(&claims.amr),
            ..of_access_token(claims)
        },
        (Some(Subject::Refresh(_)), Some(owned)) => of_refresh_token(app, subject, owned),
        (None, _) | (Some(_), None) => Introspection::default(),
    }
}

fn of_access_token(claims: &Claims) -> Introspection<'_> {
    Introspection {
        active: true,
        token_type: Some("Bearer"),
        scope: claims.scope.as_deref(),
        client_id: Some(&claims.client_id),
        iss: Some(&claims.iss),
        aud: Some(match &claims.aud {
            Audience::One(one) => vec![one],
            Audience::Many(many) => many.iter().map(String::as_str).collect(),
        }),
        sub: Some(claims.sub.clone()),
        epoch: Some(claims.epoch),
        jti: Some(&claims.jti),
        iat: Some(claims.iat),
        exp: Some(claims.exp),
        ..Introspection::default()
    }
}

fn of_refresh_token<'a>(app: &'a App, subject: Option<&Subject>, owned: &'a Owned) -> Introspection<'a> {
    let ends = app.sessions().token_expires_at(owned.session.rotated_at, owned.session.expires_at);
    Introspection {
        active: true,
        token_type: Some("refresh_token"),
        client_id: Some(FIRST_PARTY_CLIENT),
        username: Some(&owned.email),
        iss: Some(&app.access_tokens.issuer),
        sub: Some(owned.user.to_string()),
        sid: subject.and_then(Subject::session).map(|session| session.to_string()),
        role: Some(owned.role),
        exp: Some(ends.unix_timestamp()),
        ..Introspection::default()
    }
}
