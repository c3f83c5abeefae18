//! `GET /.well-known/oauth-authorization-server`: where everything is (RFC 8414). No statement.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use http_api::Json;
use serde_json::json;

use crate::app::App;

const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Where the endpoints for internal services are.
///
/// They stand at `INTERNAL_URL`, because the gateway does not route them; the keys at the public address, for everybody.
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", tag = "internal", security(()),
    responses((status = 200, description = "The metadata (RFC 8414).", body = Object)),
    extensions(("x-own-errors" = json!(true))),
)]
pub async fn show_metadata(State(app): State<Arc<App>>) -> impl IntoResponse {
    let (issuer, internal) = (&app.access_tokens.issuer, &app.internal_url);
    let methods = ["client_secret_basic", "client_secret_post"];
    let body = json!({
        "issuer": issuer,
        "token_endpoint": format!("{internal}/oauth/token"),
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint": format!("{internal}/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": methods,
        "revocation_endpoint": format!("{internal}/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": methods,
        "jwks_uri": format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/')),
        "grant_types_supported": ["client_credentials"],
        // Required, and empty: nothing here has an authorization endpoint.
        "response_types_supported": [],
    });
    ([(CACHE_CONTROL, CACHE)], Json(body))
}
