//! `gateway explain METHOD URL [--role R | --client ID]`: which route takes a request, who may use it, and what becomes of it.

use std::fmt::Write as _;

use super::check::{access, origins, rate, rates, revocations, rewrites, timeouts};
use crate::config::{Access, Config, Route};
use crate::error::Rejection;
use crate::pipeline::match_route::Routes;
use crate::pipeline::rehearse::{self, Imagined, NoRequest};

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// The request's method.
    pub method: String,
    /// A URL, or a path alone.
    pub url: String,
    /// The caller to imagine; none means an anonymous one.
    pub caller: Option<Imagined>,
}

/// Explains what the gateway would do.
///
/// # Errors
/// When the question makes no request.
pub fn explain(question: &Question, config: &Config) -> Result<String, NoRequest> {
    let Question { method, url, caller } = question;
    let (client, parts) = rehearse::request(method, url, caller.as_ref(), config)?;
    let routes = Routes::new(config.routes.iter().cloned());
    let mut text = String::new();
    let verdict = match rehearse::matched(&client, &parts, config, &routes) {
        Ok(route) => {
            describe(route, config, &mut text);
            verdict(route, rehearse::passes(route, &parts, caller.as_ref(), config), caller.as_ref())
        }
        Err(rejection) => refused(&rejection),
    };
    text.push_str(&verdict);
    text.push('\n');
    Ok(text)
}

fn describe(route: &Route, config: &Config, text: &mut String) {
    let path = route.written();
    let upstream = config.upstream(route.upstream);
    let servers = upstream.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    // Writing to a String does not fail.
    let _ = writeln!(text, "route     {path}");
    let _ = writeln!(text, "upstream  {} ({servers})", upstream.name);
    let _ = writeln!(text, "access    {}", access(&route.access));
    let _ = writeln!(text, "body      up to {} bytes", route.body);
    if route.websocket {
        let _ = writeln!(text, "websocket allowed");
    }
    for (scope, limit) in rates(route) {
        let _ = writeln!(text, "rate      {} for each {scope}", rate(&limit));
    }
    if let Some(most) = route.concurrency {
        let _ = writeln!(text, "at once   up to {most} requests");
    }
    if let Some(own) = route.timeouts {
        let _ = writeln!(text, "timeouts  {}", timeouts(own));
    }
    let cors = route.cors.as_ref().unwrap_or(&config.cors);
    let _ = writeln!(text, "cors      {}", origins(cors));
    for (whose, rules) in rewrites(route) {
        let _ = writeln!(text, "headers   of the {whose}: {rules}");
    }
    if route.strip > 0 {
        let _ = writeln!(text, "stripped  {} of the path", &route.path[..route.strip]);
    }
    let credentials = if route.forward_authorization { "forwarded" } else { "consumed" };
    let _ = writeln!(text, "token     {credentials}");
    if route.access != Access::Public {
        let _ = writeln!(text, "revoked   {}", revocations(config));
    }
}

/// What this caller, or an anonymous one, gets; a real one's token must also be good.
fn verdict(route: &Route, passes: Result<(), Rejection>, caller: Option<&Imagined>) -> String {
    match passes {
        Ok(()) if caller.is_some() && route.access != Access::Public => {
            "verdict   passes, with the caller's identity".to_owned()
        }
        Ok(()) => "verdict   passes, without identity".to_owned(),
        Err(rejection) => refused(&rejection),
    }
}

fn refused(rejection: &Rejection) -> String {
    let (status, code) = rejection.status();
    format!("verdict   {} {code}: {rejection}", status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{parsed, sample};

    fn check(method: &str, url: &str, role: Option<&str>, verdict: &str) {
        let question = Question {
            method: method.into(),
            url: url.into(),
            caller: role.map(|role| Imagined::User(role.to_owned())),
        };
        let text = explain(&question, &parsed(&sample())).unwrap();
        let last = text.lines().last().unwrap();
        assert!(last.starts_with(&format!("verdict   {verdict}")), "{method} {url} {role:?}:\n{text}");
    }

    #[test]
    fn it_says_what_the_gateway_does() {
        check("POST", "/api/auth/login", None, "passes, without identity");
        check("get", "/api/auth/login", None, "405 method_not_allowed");
        check("GET", "/api/auth/me", None, "401 unauthenticated");
        check("GET", "http://localhost:8080/api/auth/me?x=1", Some("USER"), "passes");
        check("GET", "/api/admin/orders/1", Some("USER"), "403 forbidden");
        check("GET", "/api/admin/orders/1", Some("ADMIN"), "passes");
        check("GET", "/api/adminx", Some("ADMIN"), "404 not_found");
        check("GET", "/api/admin/../orders", Some("ADMIN"), "400 bad_request");
        check("GET", "http://evil.example/api/auth/me", Some("USER"), "421 misdirected_request");
        check("TRACE", "/api/auth/me", None, "405 method_not_allowed");
    }

    #[test]
    fn it_says_what_a_client_gets() {
        let file = format!(
            "{}\n[[routes]]\npath = \"/api/services\"\nupstream = \"orders\"\naccess = {{ clients = [\"billing\"] }}\n",
            sample()
        );
        let check = |url: &str, caller: Option<Imagined>, verdict: &str| {
            let question = Question { method: "GET".into(), url: url.into(), caller };
            let text = explain(&question, &parsed(&file)).unwrap();
            assert!(
                text.lines().last().unwrap().starts_with(&format!("verdict   {verdict}")),
                "{url}:\n{text}"
            );
        };
        let client = |id: &str| Some(Imagined::Client(id.to_owned()));
        check("/api/services/orders", client("billing"), "passes, with the caller's identity");
        check("/api/services/orders", client("reports"), "403 forbidden");
        check("/api/services/orders", Some(Imagined::User("ADMIN".to_owned())), "403 forbidden");
        check("/api/services/orders", None, "401 unauthenticated");
        check("/api/orders", client("billing"), "403 forbidden");
        check("/api/admin/orders", client("billing"), "403 forbidden");
    }

    #[test]
    fn it_says_what_plain_http_gets_in_production() {
        let mut config = parsed(&sample());
        config.mode = process::Mode::Production;
        let check = |url: &str, role: Option<&str>, verdict: &str| {
            let question = Question {
                method: "GET".into(),
                url: url.into(),
                caller: role.map(|role| Imagined::User(role.to_owned())),
            };
            let text = explain(&question, &config).unwrap();
            assert!(
                text.lines().last().unwrap().starts_with(&format!("verdict   {verdict}")),
                "{url}:\n{text}"
            );
        };
        check("http://localhost/api/orders", None, "308 https_required");
        check("http://localhost/api/orders", Some("USER"), "403 https_required");
        check("https://localhost/api/orders", Some("USER"), "passes");
        check("/api/orders", Some("USER"), "passes");
    }

    #[test]
    fn it_says_whether_a_token_can_be_revoked() {
        let explained = |path: &str, file: &str| {
            let question = Question { method: "POST".into(), url: path.into(), caller: None };
            explain(&question, &parsed(file)).unwrap()
        };
        let deny = sample().replace("upstream = \"auth\"  ", "on_stale = \"deny\"\nupstream = \"auth\"  ");
        let none = sample().replace("\nrevocations =", "\n# revocations =");
        assert!(explained("/api/orders", &sample()).contains("while they are stale, tokens are good"));
        assert!(explained("/api/orders", &deny).contains("while they are stale, tokens get 503"));
        assert!(explained("/api/orders", &none).contains("revoked   no revocations are followed"));
        assert!(!explained("/api/auth/login", &sample()).contains("revoked"));
    }

    #[test]
    fn a_question_must_make_a_request() {
        for (method, url) in [("G ET", "/"), ("GET", "ftp://x/"), ("GET", ""), ("GET", "localhost:80")] {
            let question = Question { method: method.into(), url: url.into(), caller: None };
            assert!(explain(&question, &parsed(&sample())).is_err(), "{method} {url}");
        }
    }
}
