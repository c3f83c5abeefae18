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
    /// The tour of a Portcullis on these ports; cookies are kept in `folder`.
    pub(crate) fn new(ports: Ports, folder: &Path) -> Self {
        let base = format!("http://localhost:{}", ports.gateway);
        let steps = steps(&base, &folder.join("cookies.txt"));
        Self { base, steps }
    }

    /// The command lines.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }
}

fn steps(base: &str, jar: &Path) -> Vec<Step> {
    let jar = format!("'{}'", jar.display());
    // Status first: an answer without a body says something too.
    let curl = "curl -s -w '\\n%{http_code}\\n'";
    let orders = format!("{base}/api/orders");
    let as_page = format!("-H 'Origin: {base}'");
    let step = |title: &str, line: String, prints| Step { title: title.to_owned(), line, prints };
    vec![
        step(
            "Log in. The access token goes into $TOKEN, the refresh cookie into a jar",
            format!("TOKEN=$({} | {TAKE_TOKEN}); echo \"$TOKEN\"", login(base, USER, &jar)),
            "eyJ",
        ),
        step("List your orders", format!("{curl} {BEARER} {orders}"), "\n200\n"),
        step(
            "Place one",
            format!("{curl} {BEARER} {JSON} -H \"Idempotency-Key: $(date +%s)\" -d '{ORDER}' {orders}"),
            "\n201\n",
        ),
        step("Without a token: 401", format!("{curl} {orders}"), "\n401\n"),
        step(
            "As USER on a route for ADMIN: 403",
            format!("{curl} {BEARER} {base}/api/admin/orders"),
            "\n403\n",
        ),
        step(
            "The same as the administrator",
            format!(
                "ADMIN=$({} | {TAKE_TOKEN}); {curl} -H \"Authorization: Bearer $ADMIN\" {base}/api/admin/orders",
                login(base, ADMIN, "/dev/null")
            ),
            "\n200\n",
        ),
        step(
            "Refresh: a new access token for the cookie, which needs an Origin as from a page",
            format!("{curl} -b {jar} -c {jar} -X POST {as_page} {base}/api/auth/refresh"),
            "\n200\n",
        ),
        step(
            "Log out (the jar keeps its copy of the cookie): 204",
            format!("{curl} -b {jar} -X POST {as_page} {base}/api/auth/logout"),
            "\n204\n",
        ),
        step(
            "Refresh with the kept copy: 401 session_ended",
            format!("{curl} -b {jar} -X POST {as_page} {base}/api/auth/refresh"),
            "session_ended",
        ),
    ]
}

fn login(base: &str, account: Account, jar: &str) -> String {
    format!("curl -s -c {jar} {JSON} -d '{}' {base}/api/auth/login", account.body())
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
