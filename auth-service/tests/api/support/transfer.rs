//! Accounts on their way in.

use serde_json::{Value, json};

use super::app::{TestApp, email_of};
use super::service::{Environment, run, stdout};

/// What an import said.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) code: Option<i32>,
    pub(crate) summary: Value,
    /// A line for each that is worth one.
    pub(crate) report: Vec<Value>,
}

impl Imported {
    /// A number of the summary.
    #[track_caller]
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.summary[name].as_u64().unwrap_or_else(|| panic!("{name} of {}", self.summary))
    }

    /// The report as lines of `number result code`.
    pub(crate) fn entries(&self) -> Vec<String> {
        let word = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let entry =
            |entry: &Value| format!("{} {} {}", entry["line"], word(entry, "result"), word(entry, "code"));
        self.report.iter().map(entry).collect()
    }
}

/// `users import -` with these options.
pub(crate) fn import(environment: &Environment, options: &[&str], file: &str) -> Imported {
    let arguments: Vec<_> = ["users", "import", "-"].iter().chain(options).copied().collect();
    let output = run(&arguments, environment, file);
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    Imported {
        code: output.status.code(),
        summary: parse(&stdout(&output)),
        report: report.lines().map(parse).collect(),
    }
}

/// A line about somebody, with what else is known of them.
pub(crate) fn line(name: &str, rest: &Value) -> String {
    let mut line = json!({"email": email_of(name)});
    for (field, value) in rest.as_object().expect("an object") {
        line[field] = value.clone();
    }
    format!("{line}\n")
}

/// So many lines, each of somebody else.
pub(crate) fn lines(count: u32) -> String {
    (1..=count)
        .map(|number| {
            let id = format!("0190a000-0000-7000-8000-{number:012x}");
            line(&format!("user{number}"), &json!({"id": id, "createdAt": "2020-01-01T00:00:00Z"}))
        })
        .collect()
}

/// How many accounts there are.
pub(crate) async fn count_users(app: &TestApp) -> i64 {
    app.sql().await.query_one("SELECT count(*) FROM users", &[]).await.expect("an answer").get(0)
}
