//! What tokens say, and what keys come from.

use std::time::Duration;

use process::Settings;

use super::{DAY, MINUTE, SECOND, duration_within};
use crate::tokens::rotation::LONGEST_TOKEN;
use crate::tokens::{AccessTokens, Algorithm, Locksmith, RootSecrets, RotationPolicy};

/// Verifiers may keep the key set for five minutes, as its `Cache-Control` says; a key that signs sooner than that after it was
/// published is unknown to some.
const LEAST_PUBLISH_AHEAD: Duration = Duration::from_secs(10 * 60);

/// A QR code holds it beside the longest e-mail address.
const LONGEST_FACTOR_ISSUER: usize = 64;

/// What tokens say and what keys come from.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// What access tokens have in common (`JWT_ISSUER`, `JWT_AUDIENCE`, `JWT_ACCESS_TTL`).
    pub access: AccessTokens,
    /// What new signing keys are for (`JWT_ALG`).
    pub algorithm: Algorithm,
    /// What keys are derived from (`JWT_SECRET`, `JWT_SECRET_PREVIOUS`).
    pub secrets: RootSecrets,
    /// How often signing keys change (`KEY_ROTATION`, `KEY_PUBLISH_AHEAD`).
    pub rotation: RotationPolicy,
    /// As what an authenticator app shows us (`SECOND_FACTOR_ISSUER`).
    pub second_factor_issuer: String,
}

impl TokenSettings {
    /// Makes and takes away the signing keys.
    pub fn locksmith(&self) -> Locksmith {
        Locksmith::new(&self.secrets, self.algorithm, self.rotation)
    }
}

pub(super) fn read_tokens(settings: &mut Settings) -> TokenSettings {
    let access = AccessTokens {
        issuer: read_issuer(settings),
        audience: settings.text("JWT_AUDIENCE").unwrap_or_else(|| "portcullis".to_owned()),
        lifetime: read_access_lifetime(settings),
    };
    let (algorithm, secrets) = (read_algorithm(settings), read_secrets(settings));
    let rotation = read_rotation(settings, access.lifetime);
    let second_factor_issuer = read_second_factor_issuer(settings, &access.issuer);
    TokenSettings { access, algorithm, secrets, rotation, second_factor_issuer }
}

pub(super) fn read_access_lifetime(settings: &mut Settings) -> Duration {
    duration_within(settings, "JWT_ACCESS_TTL", 15 * MINUTE, SECOND, LONGEST_TOKEN)
}

pub(super) fn read_secrets(settings: &mut Settings) -> RootSecrets {
    let (secret, previous) = (settings.required_key("JWT_SECRET"), settings.keys("JWT_SECRET_PREVIOUS"));
    RootSecrets::new(&secret, &previous)
}

pub(super) fn read_rotation(settings: &mut Settings, token_lifetime: Duration) -> RotationPolicy {
    let production = settings.mode().is_production();
    let least = if production { LEAST_PUBLISH_AHEAD } else { 5 * SECOND };
    let policy = RotationPolicy {
        every: duration_within(settings, "KEY_ROTATION", 30 * DAY, SECOND, 366 * DAY),
        publish_ahead: duration_within(settings, "KEY_PUBLISH_AHEAD", 15 * MINUTE, least, 30 * DAY),
        token_lifetime,
    };
    if policy.every <= policy.publish_ahead {
        settings.problem("KEY_ROTATION", "must be longer than KEY_PUBLISH_AHEAD");
    }
    policy
}

fn read_issuer(settings: &mut Settings) -> String {
    let given = settings.text("JWT_ISSUER");
    if settings.mode().is_production() && !given.as_ref().is_some_and(|issuer| issuer.starts_with("https://"))
    {
        settings.problem("JWT_ISSUER", "must be the public https:// address in production");
    }
    given.unwrap_or_else(|| "http://localhost:8080".to_owned())
}

/// An app shows it beside the e-mail address, separated by a colon.
fn read_second_factor_issuer(settings: &mut Settings, issuer: &str) -> String {
    let given = settings.text("SECOND_FACTOR_ISSUER").unwrap_or_else(|| host(issuer).to_owned());
    if given.len() > LONGEST_FACTOR_ISSUER || given.contains(':') || given.chars().any(char::is_control) {
        let rule =
            format_args!("must be a short name without a colon, at most {LONGEST_FACTOR_ISSUER} bytes");
        settings.problem("SECOND_FACTOR_ISSUER", rule);
    }
    given
}

/// The host of `scheme://host[:port][/…]`.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_scheme, rest)| rest);
    rest.split(['/', ':']).next().filter(|host| !host.is_empty()).unwrap_or("portcullis")
}

pub(super) fn read_algorithm(settings: &mut Settings) -> Algorithm {
    let algorithm = settings.text("JWT_ALG").map_or(Ok(Algorithm::Es256), |text| text.parse());
    algorithm.unwrap_or_else(|_unknown| {
        settings.problem("JWT_ALG", "may be ES256 or EdDSA");
        Algorithm::Es256
    })
}
