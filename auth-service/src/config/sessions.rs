//! How long sessions live, their cookie, and whose pages may use it.

use std::time::Duration;

use process::Settings;

use super::{DAY, HOUR, SECOND, duration_within};
use crate::http::origin::AllowedOrigins;
use crate::http::refresh_cookie::{RefreshCookie, SameSite};
use crate::sessions::SessionPolicy;

/// The frontends that development lets in: the sample frontend and the gateway itself.
const DEVELOPMENT_ORIGINS: [&str; 4] =
    ["http://localhost:3000", "http://127.0.0.1:3000", "http://localhost:8080", "http://127.0.0.1:8080"];

pub(super) fn read_sessions(settings: &mut Settings, access: Duration) -> SessionPolicy {
    let policy = SessionPolicy {
        idle: duration_within(settings, "JWT_REFRESH_TTL", 7 * DAY, SECOND, 366 * DAY),
        absolute: duration_within(settings, "SESSION_MAX_TTL", 30 * DAY, SECOND, 366 * DAY),
        grace: duration_within(settings, "REFRESH_GRACE", 10 * SECOND, Duration::ZERO, HOUR),
        access,
    };
    if policy.grace >= policy.idle {
        settings.problem("REFRESH_GRACE", "must be shorter than JWT_REFRESH_TTL");
    }
    policy
}

pub(super) fn read_cookie(settings: &mut Settings) -> RefreshCookie {
    let production = settings.mode().is_production();
    let cookie = RefreshCookie {
        secure: settings.flag("COOKIE_SECURE", production),
        domain: read_cookie_domain(settings),
        same_site: read_same_site(settings),
    };
    if production && !cookie.secure {
        settings.problem("COOKIE_SECURE", "may not be false in production");
    }
    if cookie.same_site == SameSite::None && !cookie.secure {
        settings.problem("COOKIE_SAMESITE", "may be None only with COOKIE_SECURE=true");
    }
    cookie
}

fn read_cookie_domain(settings: &mut Settings) -> Option<String> {
    let domain = settings.text("COOKIE_DOMAIN")?;
    let characters_fit =
        domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    if !characters_fit || domain.split('.').any(str::is_empty) {
        settings.problem("COOKIE_DOMAIN", "must be a host name such as example.com");
    }
    Some(domain)
}

fn read_same_site(settings: &mut Settings) -> SameSite {
    match settings.text("COOKIE_SAMESITE").as_deref() {
        None | Some("Strict") => SameSite::Strict,
        Some("Lax") => SameSite::Lax,
        Some("None") => SameSite::None,
        Some(_) => {
            settings.problem("COOKIE_SAMESITE", "may be Strict, Lax or None");
            SameSite::Strict
        }
    }
}

pub(super) fn read_origins(settings: &mut Settings) -> AllowedOrigins {
    let production = settings.mode().is_production();
    let origins = settings.list("ALLOWED_ORIGINS");
    for origin in &origins {
        if !is_origin(origin) {
            let example = "is no origin as browsers write them, such as https://shop.example";
            settings.problem("ALLOWED_ORIGINS", format_args!("has {origin:?}, which {example}"));
        } else if production && !origin.starts_with("https://") {
            settings.problem(
                "ALLOWED_ORIGINS",
                format_args!("has {origin:?}; in production only https:// is let in"),
            );
        }
    }
    if origins.is_empty() && production {
        settings.problem("ALLOWED_ORIGINS", "is required in production: the origins of your frontends");
    } else if origins.is_empty() {
        return AllowedOrigins::new(DEVELOPMENT_ORIGINS.map(str::to_owned));
    }
    AllowedOrigins::new(origins)
}

/// `scheme://host[:port]` in lower case, without a default port, as in the `Origin` header (RFC 6454, 6.2).
fn is_origin(text: &str) -> bool {
    let (host, default_port) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(host), _) => (host, ":443"),
        (None, Some(host)) => (host, ":80"),
        (None, None) => return false,
    };
    let is_plain = |character: char| !character.is_ascii_uppercase() && !"/?#@*, ".contains(character);
    !host.is_empty() && !host.ends_with(default_port) && host.is_ascii() && host.chars().all(is_plain)
}
