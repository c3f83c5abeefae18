//! Who is measured: each proxy, what it is told to do, and which tokens it gets.

use super::peers::Program;

/// One line of the table.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) program: Program,
    /// The name of its configuration file; some programs go by how it ends.
    pub(super) file: &'static str,
    pub(super) config: &'static str,
    /// What stands for the names in braces, in this order: what is put in may hold names itself.
    pub(super) parts: &'static [(&'static str, &'static str)],
    pub(super) tokens: Tokens,
}

/// What the requests carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tokens {
    /// No token.
    None,
    /// A thousand, each seen before.
    Few,
    /// A hundred thousand, each seen before.
    Many,
    /// Each for the first time.
    Unseen,
}

const HAPROXY: &str = include_str!("configs/haproxy.cfg");
const HEADERS: &str = include_str!("configs/haproxy-headers.rules");
const ES256: &str = include_str!("configs/haproxy-es256.rules");
const NGINX: &str = include_str!("configs/nginx.conf");
const ENVOY: &str = include_str!("configs/envoy.json");
const ENVOY_ES256: &str = include_str!("configs/envoy-es256.json");
const TRAEFIK: &str = include_str!("configs/traefik.yml");
const CADDY: &str = include_str!("configs/caddy.json");
const OURS: &str = include_str!("configs/ours.toml");
const CACHE: &str = r#""jwt_cache_config": { "jwt_cache_size": 100000 },"#;

pub(super) const SUBJECTS: [Subject; 12] = [
    ours("ours", Tokens::Few),
    ours("ours-100k", Tokens::Many),
    ours("ours-first-sight", Tokens::Unseen),
    haproxy("haproxy-plain", &[("{rules}", "")], Tokens::None),
    haproxy("haproxy-headers", &[("{rules}", HEADERS)], Tokens::Few),
    haproxy("haproxy-es256", &[("{rules}", ES256)], Tokens::Few),
    subject("nginx-plain", Program::Nginx, "nginx.conf", NGINX),
    envoy("envoy-plain", &[("{filters}", "")], Tokens::None),
    envoy("envoy-es256", &[("{filters}", ENVOY_ES256), ("{cache}", "")], Tokens::Few),
    envoy("envoy-es256-cache", &[("{filters}", ENVOY_ES256), ("{cache}", CACHE)], Tokens::Few),
    subject("traefik-plain", Program::Traefik, "traefik.yml", TRAEFIK),
    subject("caddy-plain", Program::Caddy, "caddy.json", CADDY),
];

impl Subject {
    /// Its configuration, but for folder and ports.
    pub(super) fn text(&self) -> String {
        self.parts.iter().fold(self.config.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

/// A proxy as it comes.
const fn subject(name: &'static str, program: Program, file: &'static str, config: &'static str) -> Subject {
    Subject { name, program, file, config, parts: &[], tokens: Tokens::None }
}

const fn ours(name: &'static str, tokens: Tokens) -> Subject {
    Subject { tokens, ..subject(name, Program::Ours, "ours.toml", OURS) }
}

const fn haproxy(
    name: &'static str,
    parts: &'static [(&'static str, &'static str)],
    tokens: Tokens,
) -> Subject {
    Subject { parts, tokens, ..subject(name, Program::Haproxy, "haproxy.cfg", HAPROXY) }
}

const fn envoy(
    name: &'static str,
    parts: &'static [(&'static str, &'static str)],
    tokens: Tokens,
) -> Subject {
    Subject { parts, tokens, ..subject(name, Program::Envoy, "envoy.json", ENVOY) }
}

/// What `--only` takes.
pub(super) fn names() -> Vec<&'static str> {
    SUBJECTS.iter().map(|subject| subject.name).collect()
}

/// Those that were asked for, or all.
pub(super) fn wanted(only: &[String]) -> Vec<&'static Subject> {
    SUBJECTS
        .iter()
        .filter(|subject| only.is_empty() || only.iter().any(|name| name == subject.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_is_complete() {
        for subject in &SUBJECTS {
            let text = subject.text();
            for name in ["{rules}", "{filters}", "{cache}"] {
                assert!(!text.contains(name), "{}: {name}", subject.name);
            }
        }
    }
}
