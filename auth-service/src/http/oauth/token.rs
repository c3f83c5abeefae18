//! `POST /oauth/token`: a token for a client itself (RFC 6749, section 4.4). One statement.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use http_api::Json;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::authenticate::{Authenticated, authenticate};
use super::error::{ErrorAnswer, OAuthError};
use super::form::Form;
use super::peer::Peer;
use super::refusals::Refusals;
use super::{NOT_STORED, credentials};
use crate::app::App;
use crate::clients::authenticate::By;
use crate::http::token_answer::require_signer;
use crate::tokens::client_token::ClientGrant;

/// RFC 6749, section 5.1.
#[derive(Serialize, ToSchema)]
#[schema(as = ClientTokenAnswer)]
pub(super) struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// Gives a client a token.
#[utoipa::path(
    post, path = "/oauth/token", tag = "internal", security(()),
    request_body(content = BTreeMap<String, String>, content_type = "application/x-www-form-urlencoded", description = "`grant_type=client_credentials`, `scope`, and `client_id` and `client_secret` unless they are in `Authorization: Basic`."),
    responses(
        (status = 200, description = "A token.", body = TokenAnswer),
        (status = 400, description = "`invalid_request`, `unsupported_grant_type` or `invalid_scope`.", body = ErrorAnswer<'static>),
        Refusals<'static>,
    ),
    extensions(("x-own-errors" = json!(true))),
)]
pub async fn issue_client_token(
    State(app): State<Arc<App>>,
    Peer(device): Peer,
    headers: HeaderMap,
    form: Form,
) -> Result<impl IntoResponse, OAuthError> {
    if form.require("grant_type")? != "client_credentials" {
        return Err(OAuthError::GrantType);
    }
    let credentials = credentials::read(&headers, &form)?;
    require_signer(&app)?;
    let caller = authenticate(&app, &credentials, None, &device).await?;
    let answer = issue(&app, &caller, form.get("scope"))?;
    Ok((NOT_STORED, Json(answer)))
}

fn issue(app: &App, caller: &Authenticated, wanted: Option<&str>) -> Result<TokenAnswer, OAuthError> {
    let scope = caller.client.scopes.narrowed(wanted)?.claim();
    let grant = ClientGrant {
        client: caller.client.id.as_str(),
        scope: scope.as_deref(),
        epoch: caller.client.epoch,
        at_most: match caller.by {
            By::Current => None,
            By::Previous(until) => Some((until - caller.now).unsigned_abs()),
        },
    };
    let issued = app.access_tokens.issue_to_client(&app.signing_keys, &grant, OffsetDateTime::now_utc())?;
    Ok(TokenAnswer {
        access_token: issued.token.expose().clone(),
        token_type: "Bearer",
        expires_in: issued.lifetime.as_secs(),
        scope,
    })
}
