//! Every route and every layer, on one screen.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{self, get, post};
use identity::Verifier;
use identity_axum::require_role;

use crate::app::App;
use crate::http::admin_users::{change, create, delete, list, show};
use crate::http::oauth::{introspect, metadata, revoke, token};
use crate::http::prepared::require_prepared;
use crate::http::{
    admin_audit, admin_second_factor, bootstrap, forgot, jwks, login, login_second_factor, logout,
    logout_all, me, password, refresh, register, reset, revocations, second_factor, sessions, verify_email,
};

/// The service's listener: the API, which only the gateway may call, what internal services ask with their own secrets, and what
/// anybody may have.
pub fn routes(app: Arc<App>, gateway: Verifier) -> Router {
    let http_metrics = app.metrics.http.clone();
    let api = Router::new()
        .route("/api/auth/register", post(register::register_user))
        .route("/api/auth/login", post(login::log_in))
        .route("/api/auth/login/second-factor", post(login_second_factor::log_in_with_second_factor))
        .route("/api/auth/refresh", post(refresh::refresh_session))
        .route("/api/auth/logout", post(logout::log_out))
        .route("/api/auth/logout-all", post(logout_all::log_out_everywhere))
        .route("/api/auth/me", get(me::show_me))
        .route("/api/auth/sessions", get(sessions::list_sessions))
        .route("/api/auth/sessions/{id}", routing::delete(sessions::end_session))
        .route("/api/auth/password", post(password::change_password))
        .merge(second_factors())
        .route("/api/auth/bootstrap", post(bootstrap::bootstrap_admin))
        .route("/api/auth/verify-email", post(verify_email::verify_email))
        .route("/api/auth/verify-email/resend", post(verify_email::resend_verification))
        .route("/api/auth/forgot", post(forgot::forgot_password))
        .route("/api/auth/reset", post(reset::reset_password))
        .merge(administration())
        .route("/internal/revocations", get(revocations::subscribe_revocations))
        .layer(from_fn_with_state(Arc::clone(&app), require_prepared))
        .layer(identity_axum::verify(gateway));
    let public = Router::new()
        .route("/.well-known/jwks.json", get(jwks::list_keys))
        .route("/.well-known/oauth-authorization-server", get(metadata::show_metadata))
        .route("/oauth/token", post(token::issue_client_token))
        .route("/oauth/introspect", post(introspect::introspect_token))
        .route("/oauth/revoke", post(revoke::revoke_token));
    // In this order the router's own 404 is that of `api`: behind the verification, under the gateway's request id.
    http_api::finish(public.merge(api).with_state(app), http_metrics)
}

/// What somebody does with their own second factor.
fn second_factors() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/api/auth/second-factor",
            get(second_factor::status::show_second_factor)
                .post(second_factor::enrol::enrol_second_factor)
                .delete(second_factor::disable::disable_second_factor),
        )
        .route("/api/auth/second-factor/confirm", post(second_factor::confirm::confirm_second_factor))
        .route(
            "/api/auth/second-factor/recovery-codes",
            post(second_factor::recovery_codes::replace_recovery_codes),
        )
}

/// What only the role ADMIN may do.
fn administration() -> Router<Arc<App>> {
    Router::new()
        .route("/api/admin/users", get(list::list_users).post(create::create_user))
        .route(
            "/api/admin/users/{id}",
            get(show::show_user).patch(change::change_user).delete(delete::delete_user),
        )
        .route("/api/admin/users/{id}/sessions", routing::delete(change::end_user_sessions))
        .route("/api/admin/audit", get(admin_audit::list_audit_events))
        .route(
            "/api/admin/users/{id}/second-factor",
            routing::delete(admin_second_factor::reset_second_factor),
        )
        .route_layer(require_role("ADMIN"))
}
