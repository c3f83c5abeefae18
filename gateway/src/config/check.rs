//! From the file as written to a [`Config`]: every rule of the route table and of the mode, all complaints at once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use identity::RootKey;
use ipnet::IpNet;
use process::telemetry::LogSettings;
use process::{Mode, Settings};
use toml::Spanned;

use super::error::{Complaint, ConfigError};
use super::file::{self, File};
use super::values::{DurationText, OneOrMany, line_of};
use super::{
    Certificate, Config, Limits, OnStale, Timeouts, Tls, Tokens, Tracing, UpstreamId, cors, policy_tests,
    routes, upstreams,
};

/// The smallest read buffer that hyper accepts, and the largest head worth reading before anything is known.
const HEAD_BYTES: std::ops::RangeInclusive<u64> = 8 << 10..=1 << 20;

/// Collects what is wrong while the check goes on with a stand-in.
pub(super) struct Complaints<'t> {
    text: &'t str,
    list: Vec<Complaint>,
}

impl<'t> Complaints<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, list: Vec::new() }
    }

    /// Something wrong at a place of the file.
    pub(super) fn at(&mut self, span: &Range<usize>, message: impl Display) {
        self.list
            .push(Complaint { line: Some(line_of(self.text, span.start)), message: message.to_string() });
    }

    /// Something wrong with the whole.
    pub(super) fn general(&mut self, message: impl Display) {
        self.list.push(Complaint { line: None, message: message.to_string() });
    }

    /// The line of a place, to point at it from another.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        line_of(self.text, span.start)
    }

    fn parsed<T: std::str::FromStr>(&mut self, text: &Spanned<String>, wanted: &str) -> Option<T> {
        let value = text.get_ref().parse().ok();
        if value.is_none() {
            self.at(&text.span(), format_args!("{:?} is no {wanted}", text.get_ref()));
        }
        value
    }

    pub(super) fn verdict(mut self) -> Result<(), ConfigError> {
        self.list.sort_by_key(|complaint| complaint.line.unwrap_or(0));
        if self.list.is_empty() { Ok(()) } else { Err(ConfigError::refused(self.list)) }
    }
}

pub(super) fn config(file: File, text: &str, mut settings: Settings) -> Result<Config, ConfigError> {
    let mut wrong = Complaints::new(text);
    let mode = settings.mode();
    let logs = LogSettings::read(&mut settings);
    let identity_key = settings.required_key("IDENTITY_KEY");
    if let Err(process::SettingsError(complaints)) = settings.finish() {
        complaints.into_iter().for_each(|complaint| wrong.general(complaint));
    }
    let limits = limits(&file.limits, &mut wrong);
    let (upstreams, names) = upstreams::upstreams(file.upstreams, mode, &mut wrong);
    let timeouts = timeouts(&file.timeouts, &mut wrong);
    let common = routes::Common { body: limits.body, timeouts: &timeouts, rates: &file.limits.rate };
    let config = Config {
        mode,
        logs,
        listen: address(&file.listen, &mut wrong),
        admin_listen: address(&file.admin_listen, &mut wrong),
        verify_listen: file.verify.as_ref().map(|verify| address(&verify.listen, &mut wrong)),
        hosts: hosts(&file.hosts, mode, &mut wrong),
        cors: cors::checked(&file.cors, &mut wrong),
        tokens: tokens(&file.tokens, &names, mode, &mut wrong),
        tls: file.tls.map(|tls| certificates(&tls, &mut wrong)),
        tracing: file.tracing.and_then(|traces| tracing(&traces, mode, &mut wrong)),
        trusted_proxies: file.trusted_proxies.iter().filter_map(|net| network(net, &mut wrong)).collect(),
        proxy_protocol: file.proxy_protocol.as_ref().is_some_and(|on| *on.get_ref()),
        routes: routes::routes(file.routes, (&names, &upstreams), common, &mut wrong),
        timeouts,
        limits,
        upstreams,
        policy_tests: file.tests.len(),
        identity_key: RootKey::new(identity_key),
    };
    if config.listen == config.admin_listen && config.listen.port() != 0 {
        wrong.at(&file.admin_listen.span(), "`admin_listen` is the same address as `listen`");
    }
    if let Some(verify) = &file.verify {
        let taken = [config.listen, config.admin_listen].map(Some).contains(&config.verify_listen);
        if taken && config.verify_listen.is_some_and(|address| address.port() != 0) {
            wrong.at(&verify.listen.span(), "[verify] listens on an address that is another listener's");
        }
        if config.trusted_proxies.is_empty() {
            wrong.at(&verify.listen.span(), "[verify] needs `trusted_proxies`: who may ask");
        }
    }
    if let Some(on) = file.proxy_protocol.filter(|_| config.proxy_protocol) {
        if config.trusted_proxies.is_empty() {
            wrong.at(&on.span(), "`proxy_protocol` needs `trusted_proxies`: whose word it is taken for");
        }
        if mode.is_production() && config.tls.is_none() {
            wrong.at(
                &on.span(),
                "`proxy_protocol` without [tls]: nobody could say whether a client came over HTTPS",
            );
        }
    }
    if mode.is_production() && config.tls.is_none() && config.trusted_proxies.is_empty() {
        wrong.general(
            "production needs HTTPS: give [tls] certificates, or name in `trusted_proxies` the proxies that end TLS",
        );
    }
    wrong.verdict()?;
    // Only of a configuration that is whole can be said what it lets through.
    let mut failed = Complaints::new(text);
    policy_tests::run(&config, &file.tests, &mut failed);
    failed.verdict()?;
    Ok(config)
}

fn address(text: &Spanned<String>, wrong: &mut Complaints<'_>) -> SocketAddr {
    let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
    wrong.parsed(text, "address to listen on; write it like \"127.0.0.1:8080\"").unwrap_or(unspecified)
}

fn network(text: &Spanned<String>, wrong: &mut Complaints<'_>) -> Option<IpNet> {
    if let Ok(address) = text.get_ref().parse::<std::net::IpAddr>() {
        return Some(IpNet::from(address));
    }
    wrong.parsed(text, "network or address; write it like \"10.0.0.0/8\"")
}

fn hosts(texts: &[Spanned<String>], mode: Mode, wrong: &mut Complaints<'_>) -> Vec<String> {
    if texts.is_empty() && mode.is_production() {
        wrong.general("production needs `hosts`: the names under which clients reach this gateway");
    }
    for host in texts.iter().filter(|host| !is_host(host.get_ref())) {
        wrong.at(
            &host.span(),
            format_args!("{:?} is no host name; write it without scheme and port", host.get_ref()),
        );
    }
    texts.iter().map(|host| host.get_ref().trim_end_matches('.').to_ascii_lowercase()).collect()
}

fn is_host(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    is_name || inner.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
}

fn tokens(
    tokens: &file::Tokens,
    names: &BTreeMap<String, UpstreamId>,
    mode: Mode,
    wrong: &mut Complaints<'_>,
) -> Tokens {
    for (key, text) in [("issuer", &tokens.issuer), ("audience", &tokens.audience)] {
        if text.get_ref().is_empty() {
            wrong.at(&text.span(), format_args!("`{key}` is empty"));
        }
    }
    let upstream = match &tokens.upstream {
        Some(name) => upstreams::named(name, names, wrong),
        None => names.get("auth").copied(),
    };
    let mut addresses =
        |key, texts: &OneOrMany| upstreams::addresses(key, texts, tokens.plaintext, mode, wrong);
    let jwks = addresses("jwks", &tokens.jwks);
    let revocations = tokens.revocations.as_ref().map(|texts| addresses("revocations", texts));
    match (&revocations, &tokens.on_stale) {
        (None, Some(on_stale)) => wrong.at(&on_stale.span(), "`on_stale` without `revocations` says nothing"),
        (Some(_), _) if tokens.upstream.is_none() && upstream.is_none() => wrong.general(
            "`revocations` needs `upstream`: the auth service's name, for which the gateway signs when it subscribes",
        ),
        _ => {}
    }
    Tokens {
        issuer: tokens.issuer.get_ref().clone(),
        audience: tokens.audience.get_ref().clone(),
        jwks,
        revocations: revocations.unwrap_or_default(),
        on_stale: tokens.on_stale.as_ref().map_or_else(OnStale::default, |on_stale| *on_stale.get_ref()),
        jwks_refresh: some_time("jwks_refresh", &tokens.jwks_refresh, wrong),
        jwks_cooldown: some_time("jwks_cooldown", &tokens.jwks_cooldown, wrong),
        jwks_wait: tokens.jwks_wait.get_ref().0,
        upstream,
    }
}

fn certificates(tls: &file::Tls, wrong: &mut Complaints<'_>) -> Tls {
    if tls.certificates.get_ref().is_empty() {
        wrong.at(&tls.certificates.span(), "[tls] without a certificate; leave the table out for plain HTTP");
    }
    let paths = |certificate: &file::Certificate| Certificate {
        cert: certificate.cert.get_ref().into(),
        key: certificate.key.get_ref().into(),
    };
    Tls { certificates: tls.certificates.get_ref().iter().map(paths).collect() }
}

fn tracing(traces: &file::Tracing, mode: Mode, wrong: &mut Complaints<'_>) -> Option<Tracing> {
    let sample = *traces.sample.get_ref();
    if !(0.0..=1.0).contains(&sample) {
        wrong.at(&traces.sample.span(), "`sample` is a share, from 0.0 to 1.0");
    }
    Some(Tracing { otlp: upstreams::server(&traces.otlp, traces.plaintext, mode, wrong)?, sample })
}

fn timeouts(timeouts: &file::Timeouts, wrong: &mut Complaints<'_>) -> Timeouts {
    Timeouts {
        head: some_time("head", &timeouts.head, wrong),
        connect: some_time("connect", &timeouts.connect, wrong),
        first_byte: some_time("first_byte", &timeouts.first_byte, wrong),
        idle: some_time("idle", &timeouts.idle, wrong),
        min_rate: timeouts.min_rate,
        drain: timeouts.drain.get_ref().0,
    }
}

/// A limit of zero would refuse everything.
pub(super) fn some_time(key: &str, text: &Spanned<DurationText>, wrong: &mut Complaints<'_>) -> Duration {
    let duration = text.get_ref().0;
    if duration.is_zero() {
        wrong.at(&text.span(), format_args!("`{key}` may not be zero"));
    }
    duration
}

fn limits(limits: &file::Limits, wrong: &mut Complaints<'_>) -> Limits {
    let head = limits.head.get_ref().0;
    if !HEAD_BYTES.contains(&head) {
        wrong.at(&limits.head.span(), "`head` may be 8KiB to 1MiB");
    }
    Limits {
        head: usize::try_from(head).unwrap_or(usize::MAX),
        body: limits.body.0,
        requests: limits.requests.map(usize::from),
        connections: limits.connections.map(usize::from),
        connections_per_address: limits.connections_per_address.map(usize::from),
    }
}
