//! `POST /oauth/revoke`: ends the session that a token belongs to (RFC 7009). Two statements, one for a token of nobody's.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use uuid::Uuid;

use super::authenticate::authenticate;
use super::error::{ErrorAnswer, OAuthError};
use super::form::Form;
use super::peer::Peer;
use super::refusals::Refusals;
use super::subject::subject;
use super::{NOT_STORED, credentials};
use crate::accounts::UserId;
use crate::app::App;
use crate::clients::introspection::Subject;
use crate::clients::scopes::REVOKE;
use crate::db::sessions::{self, Proof};
use crate::sessions::SessionId;

/// Ends it. A token that means nothing to us is as good as revoked: 200 (RFC 7009, section 2.2).
#[utoipa::path(
    post, path = "/oauth/revoke", tag = "internal", security(()),
    request_body(content = BTreeMap<String, String>, content_type = "application/x-www-form-urlencoded", description = "`token`, and the client's credentials."),
    responses(
        (status = 200, description = "The token's session has ended."),
        (status = 400, description = "`invalid_request` or `unsupported_token_type`.", body = ErrorAnswer<'static>),
        (status = 403, description = "`insufficient_scope`.", body = ErrorAnswer<'static>),
        Refusals<'static>,
    ),
    extensions(("x-own-errors" = json!(true))),
)]
pub async fn revoke_token(
    State(app): State<Arc<App>>,
    Peer(device): Peer,
    headers: HeaderMap,
    form: Form,
) -> Result<impl IntoResponse, OAuthError> {
    let credentials = credentials::read(&headers, &form)?;
    let token = form.require("token")?;
    let caller = authenticate(&app, &credentials, None, &device).await?;
    caller.require(REVOKE)?;
    let ended = match subject(&app, token) {
        Some(subject) => session(&subject)?,
        None => None,
    };
    if let Some((session, proof)) = ended {
        let (by, policy) = (&caller.client.id, app.sessions());
        let ended = sessions::revoke(&app.database, session, &proof, by, &device, &policy).await?;
        if ended.is_some() {
            app.announcer.announce();
        }
    }
    Ok((NOT_STORED, StatusCode::OK))
}

/// The session to end. A client's token has none, and nothing else that could end it alone.
fn session(subject: &Subject) -> Result<Option<(SessionId, Proof)>, OAuthError> {
    match subject {
        Subject::Refresh(token) => Ok(Some((token.session_id, Proof::Nonce(token.nonce.hash())))),
        Subject::User(claims, session) => {
            let user = Uuid::parse_str(&claims.sub).ok().map(UserId);
            Ok(user.map(|user| (*session, Proof::Owner(user))))
        }
        Subject::Client(_) => Err(OAuthError::TokenType),
    }
}
