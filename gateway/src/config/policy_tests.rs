//! `[[tests]]`: what the file's author expects of its routes, run whenever the file is read.

use std::fmt;

use serde::Deserialize;
use toml::Spanned;

use super::check::Complaints;
use super::{Config, Route};
use crate::error::Rejection;
use crate::pipeline::match_route::Routes;
use crate::pipeline::rehearse::{self, Imagined};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyTest {
    request: Spanned<String>,
    #[serde(default = "anonymous", rename = "as")]
    caller: Spanned<String>,
    expect: Spanned<Expected>,
}

/// What should become of the request.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a status, such as 200 or 403, or the name of an upstream")]
enum Expected {
    /// 200: it passes; anything else: it is refused so.
    Status(u16),
    /// It passes, and goes there.
    Upstream(String),
}

/// What becomes of it.
enum Outcome<'c> {
    Passes(&'c str),
    Refused(Rejection),
}

/// Runs them all; one that fails is a complaint.
pub(super) fn run(config: &Config, tests: &[PolicyTest], wrong: &mut Complaints<'_>) {
    let routes = Routes::new(config.routes.iter().cloned());
    for test in tests {
        if let Err(message) = test.run(config, &routes) {
            wrong.at(&test.request.span(), message);
        }
    }
}

impl PolicyTest {
    fn run(&self, config: &Config, routes: &Routes) -> Result<(), String> {
        self.expect.get_ref().is_possible(config)?;
        let request = self.request.get_ref();
        let (method, url) = request
            .split_once(' ')
            .ok_or_else(|| format!("{request:?} is no request; write it like \"GET /api/orders\""))?;
        let caller = imagined(self.caller.get_ref());
        let (client, parts) =
            rehearse::request(method, url, caller.as_ref(), config).map_err(|error| error.to_string())?;
        let passes =
            |route: &Route| rehearse::passes(route, &parts, caller.as_ref(), config).map(|()| route.upstream);
        let outcome = match rehearse::matched(&client, &parts, config, routes).and_then(passes) {
            Ok(upstream) => Outcome::Passes(&config.upstream(upstream).name),
            Err(rejection) => Outcome::Refused(rejection),
        };
        if self.expect.get_ref().is_met_by(&outcome) {
            return Ok(());
        }
        let (expected, caller) = (self.expect.get_ref(), self.caller.get_ref());
        Err(format!("{request} as {caller}: expected {expected}, got {outcome}"))
    }
}

/// `anonymous`, `client:reports`, `user` for one without any role, or a user's role.
fn imagined(caller: &str) -> Option<Imagined> {
    match caller.strip_prefix("client:") {
        Some(id) => Some(Imagined::Client(id.to_owned())),
        None if caller == "anonymous" => None,
        None if caller == "user" => Some(Imagined::User(String::new())),
        None => Some(Imagined::User(caller.to_owned())),
    }
}

fn anonymous() -> Spanned<String> {
    Spanned::new(0..0, "anonymous".to_owned())
}

impl Expected {
    /// An expectation that nothing could meet is a slip of the pen.
    fn is_possible(&self, config: &Config) -> Result<(), String> {
        match self {
            Self::Status(200 | 308 | 400..=599) => Ok(()),
            Self::Status(status) => {
                Err(format!("`expect = {status}`: a request that passes is 200, any other 308 or 400 to 599"))
            }
            Self::Upstream(name) if config.upstreams.iter().any(|upstream| upstream.name == *name) => Ok(()),
            Self::Upstream(name) => Err(format!("`expect = {name:?}`: there is no such upstream")),
        }
    }

    fn is_met_by(&self, outcome: &Outcome<'_>) -> bool {
        match (self, outcome) {
            (Self::Status(200), Outcome::Passes(_)) => true,
            (Self::Status(expected), Outcome::Refused(rejection)) => {
                rejection.status().0.as_u16() == *expected
            }
            (Self::Upstream(expected), Outcome::Passes(upstream)) => expected == upstream,
            _ => false,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Upstream(name) => write!(f, "{name:?}"),
        }
    }
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passes(upstream) => write!(f, "200 from {upstream:?}"),
            Self::Refused(rejection) => {
                let (status, code) = rejection.status();
                write!(f, "{} {code}: {rejection}", status.as_u16())
            }
        }
    }
}
