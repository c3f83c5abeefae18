//! `gateway check`: is this file usable, and what does it route?

use std::fmt::Write as _;
use std::path::Path;

use process::Settings;

use crate::config::{Access, Config, ConfigError, Route};

/// Reads and checks the file; answers its route table.
///
/// # Errors
/// All that is wrong with it.
pub fn check(path: &Path, settings: Settings) -> Result<String, ConfigError> {
    Config::load(path, settings).map(|config| report(path, &config))
}

fn report(path: &Path, config: &Config) -> String {
    let mut report = format!("{} is usable in {}.\n", path.display(), config.mode);
    for route in &config.routes {
        // Writing to a String does not fail.
        let _ = writeln!(
            report,
            "{:<32} {:<12} {}",
            methods_and_path(route),
            upstream(config, route),
            access(&route.access)
        );
    }
    report
}

fn upstream<'c>(config: &'c Config, route: &Route) -> &'c str {
    &config.upstream(route.upstream).name
}

fn methods_and_path(route: &Route) -> String {
    let path = if route.path.is_empty() { "/" } else { &route.path };
    match &route.methods {
        Some(methods) => {
            format!("{} {path}", methods.iter().map(http::Method::as_str).collect::<Vec<_>>().join(","))
        }
        None => path.to_owned(),
    }
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
    use crate::config::tests::{parsed, sample};

    #[test]
    fn the_report_shows_who_may_go_where() {
        let report = report(Path::new("g.toml"), &parsed(&sample()));
        let words: Vec<Vec<&str>> = report.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0].join(" "), "g.toml is usable in development.");
        assert!(words.contains(&vec!["POST", "/api/auth/login", "auth", "public"]), "{report}");
        assert!(words.contains(&vec!["/api/admin/orders", "orders", "role", "ADMIN"]), "{report}");
    }
}
