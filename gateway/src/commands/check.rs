//! `gateway check`: is this file usable, and what does it route?

use std::fmt::Write as _;
use std::path::Path;

use process::Settings;

use crate::config::{
    Access, Config, ConfigError, Cors, HeaderRules, Limits, OnStale, Rates, Route, RouteTimeouts,
};
use crate::pipeline::limit::Scope;
use crate::rates::{Limit, Rate};
use crate::runtime::{TlsError, certificates_are_usable, upstream_certificates_are_usable};
use crate::upstream::RootsError;

/// Why a gateway would not start with this file.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The file itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A certificate that it names.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A certificate that an upstream names.
    #[error(transparent)]
    Upstream(#[from] RootsError),
}

/// Reads and checks the file and the certificates that it names; answers its route table.
///
/// # Errors
/// All that is wrong with it.
pub fn check(path: &Path, settings: Settings) -> Result<String, CheckError> {
    let config = Config::load(path, settings)?;
    config.tls.as_ref().map_or(Ok(()), certificates_are_usable)?;
    upstream_certificates_are_usable(&config.upstreams)?;
    Ok(report(path, &config))
}

fn report(path: &Path, config: &Config) -> String {
    let mut report = format!("{} is usable in {}.\n", path.display(), config.mode);
    // Writing to a String does not fail.
    let _ = writeln!(report, "{}", revocations(config));
    if let Some(limits) = numbers(&config.limits) {
        let _ = writeln!(report, "at most {limits}");
    }
    report.push('\n');
    for route in &config.routes {
        let (what, who) = (methods_and_path(route), access(&route.access));
        let _ =
            writeln!(report, "{what:<32} {:<12} {who}{}", upstream(config, route), policies(route, config));
    }
    for (open, guarded) in open_below_guarded(&config.routes) {
        let (open, guarded) =
            ((path_of(open), access(&open.access)), (path_of(guarded), access(&guarded.access)));
        let _ = writeln!(report, "\n{} is {} below {}, which is {}", open.0, open.1, guarded.0, guarded.1);
    }
    let _ = match config.policy_tests {
        0 => writeln!(report, "\nthere are no [[tests]]"),
        count => writeln!(report, "\n{count} [[tests]] passed"),
    };
    report
}

/// How many there may be, where that is limited.
fn numbers(limits: &Limits) -> Option<String> {
    let Limits { connections, connections_per_address, requests, .. } = *limits;
    let told = [
        connections.map(|most| format!("{most} connections")),
        connections_per_address.map(|most| format!("{most} connections from one address")),
        requests.map(|most| format!("{most} requests at once")),
    ];
    let told: Vec<_> = told.into_iter().flatten().collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// Where the gateway learns what was revoked, in words.
pub(super) fn revocations(config: &Config) -> String {
    let urls = config.tokens.revocations.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    match config.tokens.feed_policy() {
        None => "no revocations are followed: a token is good until it expires".to_owned(),
        Some(OnStale::Serve) => format!("revocations from {urls}; while they are stale, tokens are good"),
        Some(OnStale::Deny) => format!("revocations from {urls}; while they are stale, tokens get 503"),
    }
}

/// Whatever is special about a route, behind its access.
fn policies(route: &Route, config: &Config) -> String {
    let rates = rates(route).map(|(scope, limit)| format!("{} per {scope}", rate(&limit)));
    let body = (route.body != config.limits.body).then(|| format!("body up to {} bytes", route.body));
    let websocket = route.websocket.then(|| "websocket".to_owned());
    let token = route.forward_authorization.then(|| "token forwarded".to_owned());
    let concurrency = route.concurrency.map(|most| format!("{most} at once"));
    let timeouts = route.timeouts.map(timeouts);
    let headers = rewrites(route).map(|(whose, rules)| format!("{whose} headers {rules}"));
    let cors = route.cors.as_ref().map(|cors| format!("cors {}", origins(cors)));
    let strip = (route.strip > 0).then(|| format!("without {}", &route.path[..route.strip]));
    rates
        .chain(concurrency)
        .chain(timeouts)
        .chain(cors)
        .chain(headers)
        .chain(strip)
        .chain(body)
        .chain(websocket)
        .chain(token)
        .fold(String::new(), |all, next| all + ", " + &next)
}

/// The time limits of a route that has its own.
pub(super) fn timeouts(RouteTimeouts { first_byte, idle }: RouteTimeouts) -> String {
    format!("first byte within {first_byte:?}, idle up to {idle:?}")
}

/// Who may call a route, in words.
pub(super) fn origins(cors: &Cors) -> String {
    if cors.origins.is_empty() {
        "for no origin".to_owned()
    } else {
        format!("for {}", cors.origins.join(" "))
    }
}

/// The header rules of a route: whose, and in words. Values may be secrets.
pub(super) fn rewrites(route: &Route) -> impl Iterator<Item = (&'static str, String)> {
    let told = |HeaderRules { remove, set }: &HeaderRules| {
        let set = set.iter().map(|(name, _)| format!("+{name}"));
        set.chain(remove.iter().map(|name| format!("-{name}"))).collect::<Vec<_>>().join(" ")
    };
    let rules = [("request", &route.request_headers), ("response", &route.response_headers)];
    rules.into_iter().filter_map(move |(whose, rules)| Some((whose, told(rules.as_ref()?))))
}

/// The rate limits of a route.
pub(super) fn rates(route: &Route) -> impl Iterator<Item = (Scope, Limit)> {
    let Rates { address, user, client } = route.rates;
    Scope::ALL.into_iter().zip([address, user, client]).filter_map(|(scope, limit)| Some((scope, limit?)))
}

/// A rate as it is written in the file.
pub(super) fn rate(limit: &Limit) -> String {
    let Rate { requests, period, burst } = limit.rate;
    let unit = match period.as_secs() {
        1 => "s",
        60 => "m",
        _ => "h",
    };
    format!("{requests}/{unit} burst {burst}")
}

/// Routes that let in whom the route around them keeps out: often meant so, and worth a look each time.
fn open_below_guarded(routes: &[Route]) -> impl Iterator<Item = (&Route, &Route)> {
    let is_open = |route: &&Route| matches!(route.access, Access::Public | Access::Optional);
    routes.iter().filter(is_open).filter_map(move |open| {
        let contains = |other: &&Route| {
            open.path.strip_prefix(other.path.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        let around = routes.iter().filter(contains).max_by_key(|other| other.path.len())?;
        (!is_open(&around)).then_some((open, around))
    })
}

fn upstream<'c>(config: &'c Config, route: &Route) -> &'c str {
    &config.upstream(route.upstream).name
}

fn methods_and_path(route: &Route) -> String {
    let path = path_of(route);
    match &route.methods {
        Some(methods) => {
            format!("{} {path}", methods.iter().map(http::Method::as_str).collect::<Vec<_>>().join(","))
        }
        None => path.to_owned(),
    }
}

fn path_of(route: &Route) -> &str {
    route.written()
}

/// An access in words.
pub(super) fn access(access: &Access) -> String {
    match access {
        Access::Public => "public".to_owned(),
        Access::Optional => "optional".to_owned(),
        Access::Authenticated => "authenticated".to_owned(),
        Access::Roles(roles) => format!("role {}", roles.join(" or ")),
        Access::Clients(clients) => format!("client {}", clients.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{KEY, parsed, sample};

    #[test]
    fn a_certificate_that_cannot_be_read_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let check = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            check(file.path(), Settings::from_pairs([("APP_ENV", "development"), KEY]))
                .map_err(|error| error.to_string())
        };
        assert!(check(&sample()).is_ok());
        let tls = "[tls]\ncertificates = [{ cert = \"/nowhere/tls.crt\", key = \"/nowhere/tls.key\" }]\n";
        assert_eq!(check(&format!("{}{tls}", sample())), Err("cannot read /nowhere/tls.crt".to_owned()));
        let ca =
            sample().replacen("servers = [\"http://", "ca = \"/nowhere/ca.pem\"\nservers = [\"https://", 1);
        assert_eq!(check(&ca), Err("cannot read /nowhere/ca.pem".to_owned()));
        assert!(check("nonsense").is_err_and(|error| error.contains("line 1: ")));
    }

    #[test]
    fn the_report_shows_who_may_go_where() {
        let report = report(Path::new("g.toml"), &parsed(&sample()));
        let words: Vec<Vec<&str>> = report.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0].join(" "), "g.toml is usable in development.");
        assert_eq!(
            report.lines().nth(1).unwrap(),
            "revocations from http://127.0.0.1:8081/internal/revocations; while they are stale, tokens are good"
        );
        assert!(words.contains(&vec!["POST", "/api/auth/login", "auth", "public"]), "{report}");
        assert!(words.contains(&vec!["/api/admin/orders", "orders", "role", "ADMIN"]), "{report}");
        assert!(
            report.contains("\n/api/auth/login is public below /api/auth, which is authenticated\n"),
            "{report}"
        );
        assert!(!report.contains("jwks.json is public below"), "{report}");
        assert!(report.ends_with(" [[tests]] passed\n"), "{report}");
    }

    #[test]
    fn the_report_shows_how_many_there_may_be() {
        let told = |lines: &str| report(Path::new("g.toml"), &parsed(&format!("{}{lines}", sample())));
        let limits = "[limits]\nconnections = 5000\nconnections_per_address = 100\n";
        assert!(!told("").contains("at most"));
        assert!(told(limits).contains("\nat most 5000 connections, 100 connections from one address\n\n"));
    }

    #[test]
    fn the_report_shows_what_is_special_about_a_route() {
        let route = "[[routes]]\npath = \"/api/x\"\nupstream = \"orders\"\naccess = \"optional\"\nbody = 10\n\
                     rate = { address = \"20/s burst 40\", user = \"5/m\" }\nwebsocket = true\n\
                     timeouts = { first_byte = \"90s\" }\ncors = false\n\
                     request_headers = { set = { X-Key = \"hidden\" }, remove = [\"X-A\"] }\n";
        let report = report(Path::new("g.toml"), &parsed(&format!("{}{route}", sample())));
        let line = report.lines().find(|line| line.starts_with("/api/x ")).unwrap();
        let special = "optional, 20/s burst 40 per address, 5/m burst 5 per user, first byte within 90s, idle up to 60s, cors for no origin, \
             request headers +x-key -x-a, \
             body up to 10 bytes, websocket";
        assert!(line.ends_with(special), "{line}");
    }
}
