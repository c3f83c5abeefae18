//! Every route and every layer, on one screen.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use identity::Verifier;

use crate::app::App;
use crate::http::prepared::require_prepared;
use crate::http::{bootstrap, jwks, login, logout, me, refresh, register};

/// The service's listener: the API, which only the gateway may call, and the public keys, which anybody may have.
pub fn routes(app: Arc<App>, gateway: Verifier) -> Router {
    let http_metrics = app.metrics.http.clone();
    let api = Router::new()
        .route("/api/auth/register", post(register::register_user))
        .route("/api/auth/login", post(login::log_in))
        .route("/api/auth/refresh", post(refresh::refresh_session))
        .route("/api/auth/logout", post(logout::log_out))
        .route("/api/auth/me", get(me::show_me))
        .route("/api/auth/bootstrap", post(bootstrap::bootstrap_admin))
        .layer(from_fn_with_state(Arc::clone(&app), require_prepared))
        .layer(identity_axum::verify(gateway));
    let public = Router::new().route("/.well-known/jwks.json", get(jwks::list_keys));
    // In this order the router's own 404 is that of `api`: behind the verification, under the gateway's request id.
    http_api::finish(public.merge(api).with_state(app), http_metrics)
}
