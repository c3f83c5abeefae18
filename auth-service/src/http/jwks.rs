//! `GET /.well-known/jwks.json`: the public keys, from memory, for whoever asks.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

use crate::app::App;
use crate::error::Error;
use crate::tokens::access_token::NotIssued;

/// Verifiers may keep the answer this long; a key is published for longer before it signs.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The key set (RFC 7517). An empty one is no answer: whoever kept it would refuse every token for as long.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "keys", security(()),
    responses((status = 200, description = "The keys.", body = BTreeMap<String, Vec<Object>>, headers(
        ("Cache-Control" = String, description = "Always there: how long verifiers may keep the keys."),
    ))),
)]
pub async fn list_keys(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Error> {
    if app.signing_keys.is_empty() {
        return Err(NotIssued::NoKey.into());
    }
    Ok(([(CONTENT_TYPE, JSON), (CACHE_CONTROL, CACHE)], app.signing_keys.jwks()))
}
