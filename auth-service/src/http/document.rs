//! The service's OpenAPI document. The operations describe themselves; a test holds the list below to `routes`.

use serde_json::Value;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    admin_audit, admin_second_factor, admin_users, bootstrap, forgot, jwks, login, login_second_factor,
    logout, logout_all, me, password, refresh, register, reset, revocations, second_factor, sessions,
    verify_email,
};
use crate::http::oauth::{introspect, metadata, revoke, token};

/// Everything that the service answers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Portcullis: accounts and sessions",
        description = "What the auth service answers, through the gateway unless the tag says `internal`.",
    ),
    tags(
        (name = "session", description = "Log in, stay logged in, log out."),
        (name = "account", description = "Make an account and look after it."),
        (name = "second factor", description = "A code of an authenticator app beside the password."),
        (name = "administration", description = "For the role ADMIN."),
        (name = "keys", description = "With what access tokens are verified."),
        (name = "internal", description = "Not through the gateway: for services inside."),
    ),
    security(("bearer" = [])),
    modifiers(&Schemes),
    paths(
        register::register_user,
        login::log_in,
        login_second_factor::log_in_with_second_factor,
        refresh::refresh_session,
        logout::log_out,
        logout_all::log_out_everywhere,
        me::show_me,
        sessions::list_sessions,
        sessions::end_session,
        password::change_password,
        verify_email::verify_email,
        verify_email::resend_verification,
        forgot::forgot_password,
        reset::reset_password,
        second_factor::status::show_second_factor,
        second_factor::enrol::enrol_second_factor,
        second_factor::confirm::confirm_second_factor,
        second_factor::recovery_codes::replace_recovery_codes,
        second_factor::disable::disable_second_factor,
        bootstrap::bootstrap_admin,
        admin_users::list::list_users,
        admin_users::create::create_user,
        admin_users::show::show_user,
        admin_users::change::change_user,
        admin_users::delete::delete_user,
        admin_users::change::end_user_sessions,
        admin_audit::list_audit_events,
        admin_second_factor::reset_second_factor,
        jwks::list_keys,
        revocations::subscribe_revocations,
        metadata::show_metadata,
        token::issue_client_token,
        introspect::introspect_token,
        revoke::revoke_token,
    )
)]
struct Api;

/// The document.
#[must_use]
pub fn document() -> Value {
    http_api::document::document(&Api::openapi())
}

/// How callers prove who they are, beside the access token.
struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut Document) {
        let cookie = ApiKeyValue::with_description(
            "refresh_token",
            "The refresh cookie: `__Host-refresh_token` in production, `__Secure-refresh_token` with `COOKIE_DOMAIN`.",
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("refreshCookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}
