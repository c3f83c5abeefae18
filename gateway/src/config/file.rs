//! The TOML file as it is written: names, types and defaults, nothing that needs a second look.
//!
//! Values that a later check may refuse keep their place ([`toml::Spanned`]).

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use process::Settings;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use super::access::AccessText;
use super::cors::RouteCors;
use super::error::ConfigError;
use super::policy_tests::PolicyTest;
use super::rates::RateText;
use super::values::{DurationText, OneOrMany, SizeText, line_of};
use super::{Complaint, OnStale, expand};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) listen: Spanned<String>,
    pub(super) admin_listen: Spanned<String>,
    #[serde(default)]
    pub(super) hosts: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) cors: Cors,
    pub(super) tokens: Tokens,
    pub(super) tls: Option<Tls>,
    pub(super) tracing: Option<Tracing>,
    pub(super) verify: Option<Verify>,
    #[serde(default)]
    pub(super) trusted_proxies: Vec<Spanned<String>>,
    pub(super) proxy_protocol: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) timeouts: Timeouts,
    #[serde(default)]
    pub(super) limits: Limits,
    pub(super) upstreams: BTreeMap<Spanned<String>, Upstream>,
    pub(super) routes: Vec<Spanned<Route>>,
    #[serde(default)]
    pub(super) tests: Vec<PolicyTest>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cors {
    #[serde(default)]
    pub(super) origins: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tokens {
    pub(super) issuer: Spanned<String>,
    pub(super) audience: Spanned<String>,
    pub(super) jwks: OneOrMany,
    pub(super) revocations: Option<OneOrMany>,
    pub(super) on_stale: Option<Spanned<OnStale>>,
    #[serde(default)]
    pub(super) plaintext: bool,
    #[serde(default = "minutes::<5>")]
    pub(super) jwks_refresh: Spanned<DurationText>,
    #[serde(default = "seconds::<5>")]
    pub(super) jwks_cooldown: Spanned<DurationText>,
    #[serde(default = "seconds::<1>")]
    pub(super) jwks_wait: Spanned<DurationText>,
    pub(super) upstream: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) certificates: Spanned<Vec<Certificate>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Verify {
    pub(super) listen: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tracing {
    pub(super) otlp: Spanned<String>,
    #[serde(default = "one_in_a_hundred")]
    pub(super) sample: Spanned<f64>,
    #[serde(default)]
    pub(super) plaintext: bool,
}

fn one_in_a_hundred() -> Spanned<f64> {
    Spanned::new(0..0, 0.01)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Certificate {
    pub(super) cert: Spanned<String>,
    pub(super) key: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Timeouts {
    pub(super) head: Spanned<DurationText>,
    pub(super) connect: Spanned<DurationText>,
    pub(super) first_byte: Spanned<DurationText>,
    pub(super) idle: Spanned<DurationText>,
    pub(super) min_rate: u64,
    pub(super) drain: Spanned<DurationText>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: seconds::<10>(),
            connect: seconds::<2>(),
            first_byte: seconds::<30>(),
            idle: seconds::<60>(),
            min_rate: 240,
            drain: seconds::<30>(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) head: Spanned<SizeText>,
    pub(super) body: SizeText,
    pub(super) requests: Option<NonZeroUsize>,
    pub(super) connections: Option<NonZeroUsize>,
    pub(super) connections_per_address: Option<NonZeroUsize>,
    pub(super) rate: RatesText,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RatesText {
    pub(super) address: Option<RateText>,
    pub(super) user: Option<RateText>,
    pub(super) client: Option<RateText>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Spanned::new(0..0, SizeText(32 << 10)),
            body: SizeText(100 << 20),
            requests: None,
            connections: None,
            connections_per_address: None,
            rate: RatesText::default(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    pub(super) servers: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) plaintext: bool,
    pub(super) ca: Option<Spanned<String>>,
    pub(super) client_cert: Option<Spanned<String>>,
    pub(super) client_key: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) http2: bool,
    pub(super) health: Option<Health>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Health {
    pub(super) path: Spanned<String>,
    pub(super) port: Option<Spanned<u16>>,
    #[serde(default = "seconds::<5>")]
    pub(super) interval: Spanned<DurationText>,
    #[serde(default = "seconds::<1>")]
    pub(super) timeout: Spanned<DurationText>,
    #[serde(default = "times::<2>")]
    pub(super) healthy: Spanned<u32>,
    #[serde(default = "times::<3>")]
    pub(super) unhealthy: Spanned<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    pub(super) path: Spanned<String>,
    pub(super) upstream: Spanned<String>,
    pub(super) access: Spanned<AccessText>,
    pub(super) methods: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) body: Option<SizeText>,
    #[serde(default)]
    pub(super) forward_authorization: bool,
    #[serde(default)]
    pub(super) websocket: bool,
    #[serde(default)]
    pub(super) rate: RatesText,
    pub(super) concurrency: Option<NonZeroUsize>,
    pub(super) strip_prefix: Option<Spanned<StripText>>,
    pub(super) timeouts: Option<RouteTimeouts>,
    pub(super) cors: Option<RouteCors>,
    #[serde(default)]
    pub(super) request_headers: HeaderRules,
    #[serde(default)]
    pub(super) response_headers: HeaderRules,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HeaderRules {
    pub(super) set: BTreeMap<Spanned<String>, Spanned<String>>,
    pub(super) remove: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteTimeouts {
    pub(super) first_byte: Option<Spanned<DurationText>>,
    pub(super) idle: Option<Spanned<DurationText>>,
}

/// `true`: the route's whole path; a text: that much of it.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected true, false or the beginning of the route's path")]
pub(super) enum StripText {
    Whole(bool),
    Prefix(String),
}

impl File {
    /// Parses the text, replaces `${NAME}` inside its strings, and only then looks at what they say: a value of
    /// the environment can never become a key or a table of the file.
    pub(super) fn parse(text: &str, settings: &Settings) -> Result<Self, ConfigError> {
        let refused = |error: &toml::de::Error| ConfigError::refused(vec![complaint(text, error)]);
        let mut table = DeTable::parse(text).map_err(|error| refused(&error))?;
        let missing = expand::strings(table.get_mut(), &|name| settings.text(name));
        if !missing.is_empty() {
            let told = |(at, message)| Complaint { line: Some(line_of(text, at)), message };
            return Err(ConfigError::refused(missing.into_iter().map(told).collect()));
        }
        Self::deserialize(toml::de::Deserializer::from(table)).map_err(|error| refused(&error))
    }
}

fn complaint(text: &str, error: &toml::de::Error) -> Complaint {
    let line = error.span().map(|span| line_of(text, span.start));
    Complaint { line, message: error.message().to_owned() }
}

fn seconds<const N: u64>() -> Spanned<DurationText> {
    Spanned::new(0..0, DurationText(Duration::from_secs(N)))
}

fn times<const N: u32>() -> Spanned<u32> {
    Spanned::new(0..0, N)
}

fn minutes<const N: u64>() -> Spanned<DurationText> {
    Spanned::new(0..0, DurationText(Duration::from_secs(60 * N)))
}
