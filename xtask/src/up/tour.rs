//! The tour: command lines to paste, each with what it promises.
//!
//! `cargo xtask e2e` runs them and holds them to it.

use std::fmt;
use std::path::Path;

use crate::stack::accounts::{ADMIN, Account, USER};
use crate::stack::ports::Ports;

const ORDER: &str = r#"{"currency":"EUR","items":[{"sku":"lamp","quantity":1,"unitPriceMinor":4200}]}"#;
const JSON: &str = "-H 'Content-Type: application/json'";
const BEARER: &str = "-H \"Authorization: Bearer $TOKEN\"";
/// Takes the access token out of an answer; `jq -r .accessToken` where there is a jq.
const TAKE_TOKEN: &str = r#"sed 's/.*"accessToken":"\([^"]*\)".*/\1/'"#;

/// One command line.
#[derive(Debug)]
pub(crate) struct Step {
    /// What it does.
    pub(crate) title: String,
    /// To paste into a shell.
    pub(crate) line: String,
    /// What the line prints somewhere.
    pub(crate) prints: &'static str,
}

/// All of them, in an order that works.
#[derive(Debug)]
pub(crate) struct Tour {
    base: String,
    steps: Vec<Step>,
}

impl Tour {
    /// The tour of a Portcullis on these ports, with a file for cookies.
    pub(crate) fn new(ports: Ports, jar: &Path) -> Self {
        let base = format!("http://localhost:{}", ports.gateway);
        let steps = steps(&base, jar);
        Self { base, steps }
    }

    /// The command lines.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }
}

fn steps(base: &str, jar: &Path) -> Vec<Step> {
    let step = |title: &str, line: String, prints| Step { title: title.to_owned(), line, prints };
    let log_in = |account, jar| {
        let body = Account::body(account);
        format!("$(curl -s -c {jar} {JSON} -d '{body}' $API/api/auth/login | {TAKE_TOKEN})")
    };
    let with_cookie = "-X POST -b \"$JAR\" -H \"Origin: $API\" $API/api/auth";
    vec![
        step("Where it is, and where cookies go", format!("API={base} JAR='{}'", jar.display()), ""),
        step(
            "Log in. The access token goes into $TOKEN, the refresh cookie into the jar",
            format!("TOKEN={}; echo \"$TOKEN\"", log_in(USER, "\"$JAR\"")),
            "eyJ",
        ),
        step("List your orders", format!("curl -si {BEARER} $API/api/orders"), "HTTP/1.1 200"),
        step("Place one", format!("curl -si {BEARER} {JSON} -d '{ORDER}' $API/api/orders"), "HTTP/1.1 201"),
        step("Without a token: 401", "curl -si $API/api/orders".to_owned(), "HTTP/1.1 401"),
        step(
            "As USER on a route for ADMIN: 403",
            format!("curl -si {BEARER} $API/api/admin/orders"),
            "HTTP/1.1 403",
        ),
        step(
            "The same as the administrator: everybody's orders",
            format!(
                "curl -si -H \"Authorization: Bearer {}\" $API/api/admin/orders",
                log_in(ADMIN, "/dev/null")
            ),
            "HTTP/1.1 200",
        ),
        step(
            "Refresh: a new access token for the cookie, which an Origin has to go with, as from a page",
            format!("curl -si -c \"$JAR\" {with_cookie}/refresh"),
            "HTTP/1.1 200",
        ),
        step(
            "Log out; the jar keeps its copy of the cookie",
            format!("curl -si {with_cookie}/logout"),
            "HTTP/1.1 204",
        ),
        step("Refresh with the kept copy: 401", format!("curl -si {with_cookie}/refresh"), "session_ended"),
    ]
}

impl fmt::Display for Tour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = "-".repeat(78);
        writeln!(f, "\n{rule}\nPortcullis is up at {}. In another terminal:\n", self.base)?;
        for step in &self.steps {
            writeln!(f, "# {}\n{}\n", step.title, step.line)?;
        }
        for (role, account) in [("admin", ADMIN), ("user", USER)] {
            writeln!(f, "{role:<6} {} / {}", account.email, account.password)?;
        }
        write!(f, "Ctrl-C stops everything and keeps the data; `--reset` starts over.\n{rule}")
    }
}
