//! Settings from the environment: read once, checked all together, complained about in one go.
//!
//! `APP_ENV` unset means production. A `.env` file is read only when the real environment says
//! `APP_ENV=development`, and the real environment wins over it. Each process's `config.rs` is the only
//! caller; nothing else reads the environment.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use secret::{Secret, parse_key};

use crate::duration::parse_duration;

/// What a process may take for granted about where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A person's machine or a test: convenience where production insists.
    Development,
    /// Everything else, and the default.
    Production,
}

impl Mode {
    /// True in production.
    pub const fn is_production(self) -> bool {
        matches!(self, Self::Production)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_production() { "production" } else { "development" })
    }
}

/// All that was wrong with the settings, one line each.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the settings are not usable:\n  {}", .0.join("\n  "))]
pub struct SettingsError(pub Vec<String>);

/// The settings of one process. A getter answers the default for a bad value and keeps the complaint for
/// [`Settings::finish`], so that one start shows everything that is wrong.
#[derive(Clone)]
pub struct Settings {
    values: HashMap<String, String>,
    mode: Mode,
    complaints: Vec<String>,
}

/// The values are the whole environment, secrets and all: none is shown.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.values.len();
        f.debug_struct("Settings").field("mode", &self.mode).field("names", &names).finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads the process's environment and, in development, `.env` in the current folder.
    pub fn load() -> Self {
        let real: HashMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut settings = Self::from_pairs(real);
        if settings.mode == Mode::Development {
            settings.add_dotenv(Path::new(".env"));
        }
        settings
    }

    /// Settings from given pairs; empty values count as absent.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let values: HashMap<String, String> = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .filter(|(_, value)| !value.trim().is_empty())
            .collect();
        let mut complaints = Vec::new();
        let mode = mode_of(&values, &mut complaints);
        Self { values, mode, complaints }
    }

    /// Development or production.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The text of a setting, trimmed.
    pub fn text(&self, name: &str) -> Option<String> {
        self.values.get(name).map(|value| value.trim().to_owned())
    }

    /// The text of a setting that has no default.
    pub fn required(&mut self, name: &str) -> String {
        self.text(name).unwrap_or_else(|| {
            self.problem(name, "is required");
            String::new()
        })
    }

    /// A duration such as `90s`, `15m`, `7d`.
    pub fn duration(&mut self, name: &str, default: Duration) -> Duration {
        self.parsed(name, default, parse_duration, "is no duration; write it like 90s, 15m or 7d")
    }

    /// A number in the range of its type.
    pub fn number<T: FromStr>(&mut self, name: &str, default: T) -> T {
        self.parsed(name, default, |text| text.parse().ok(), "is no whole number in range")
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        self.parsed(name, default, |text| text.parse().ok(), "is neither true nor false")
    }

    /// An address to listen on, such as `127.0.0.1:8081`.
    pub fn address(&mut self, name: &str, default: SocketAddr) -> SocketAddr {
        self.parsed(name, default, |text| text.parse().ok(), "is no address; write it like 127.0.0.1:8081")
    }

    /// A comma separated list; empty members are dropped.
    pub fn list(&self, name: &str) -> Vec<String> {
        let text = self.values.get(name).map_or("", String::as_str);
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// Key material ([`secret::parse_key`]); absent is `None`, and no complaint.
    pub fn key(&mut self, name: &str) -> Option<Secret<Vec<u8>>> {
        let text = self.text(name)?;
        match parse_key(&text) {
            Ok(key) => Some(key),
            Err(error) => {
                self.problem(name, error);
                None
            }
        }
    }

    /// Key material that has no default. On absence an empty key is returned and [`Settings::finish`] fails.
    pub fn required_key(&mut self, name: &str) -> Secret<Vec<u8>> {
        if self.text(name).is_none() {
            self.problem(name, "is required; make one with `openssl rand -base64 32`");
        }
        self.key(name).unwrap_or_else(|| Secret::new(Vec::new()))
    }

    /// A comma separated list of keys.
    pub fn keys(&mut self, name: &str) -> Vec<Secret<Vec<u8>>> {
        let mut keys = Vec::new();
        for text in self.list(name) {
            match parse_key(&text) {
                Ok(key) => keys.push(key),
                Err(error) => self.problem(name, error),
            }
        }
        keys
    }

    /// Notes what is wrong with a setting. The message must not repeat a secret.
    pub fn problem(&mut self, name: &str, message: impl fmt::Display) {
        self.complaints.push(format!("{name} {message}"));
    }

    /// The verdict over everything read so far.
    ///
    /// # Errors
    /// All complaints, in the order in which the settings were read.
    pub fn finish(self) -> Result<(), SettingsError> {
        if self.complaints.is_empty() { Ok(()) } else { Err(SettingsError(self.complaints)) }
    }

    fn parsed<T>(&mut self, name: &str, default: T, parse: impl FnOnce(&str) -> Option<T>, wrong: &str) -> T {
        let Some(text) = self.text(name) else {
            return default;
        };
        parse(&text).unwrap_or_else(|| {
            self.problem(name, format_args!("{wrong} (it is {text:?})"));
            default
        })
    }

    fn add_dotenv(&mut self, path: &Path) {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                for (name, value) in self.parse_dotenv(&text) {
                    self.values.entry(name).or_insert(value);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => self.problem(".env", format_args!("cannot be read: {error}")),
        }
    }

    /// `NAME=value` lines; `#` comments; a value may stand in single or double quotes. Nothing is expanded.
    fn parse_dotenv(&mut self, text: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once('=') {
                Some((name, value)) => {
                    let value = unquote(value.trim());
                    if !value.is_empty() {
                        pairs.push((name.trim().to_owned(), value.to_owned()));
                    }
                }
                None => self.problem(".env", format_args!("line {} is not NAME=value", number + 1)),
            }
        }
        pairs
    }
}

fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

/// `APP_ENV`, or its alias `NODE_ENV`; anything but the two words is refused, and counts as production.
fn mode_of(values: &HashMap<String, String>, complaints: &mut Vec<String>) -> Mode {
    let mut read = |name: &str| match values.get(name).map(|value| value.trim()) {
        None => None,
        Some("development") => Some(Mode::Development),
        Some("production") => Some(Mode::Production),
        Some(other) => {
            complaints.push(format!("{name} is {other:?}; it may be development or production"));
            Some(Mode::Production)
        }
    };
    let (app, node) = (read("APP_ENV"), read("NODE_ENV"));
    if let (Some(app), Some(node)) = (app, node)
        && app != node
    {
        complaints.push("APP_ENV and NODE_ENV differ; set one of them".to_owned());
        return Mode::Production;
    }
    app.or(node).unwrap_or(Mode::Production)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        Settings::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn unset_means_production_and_the_alias_must_agree() {
        let check = |pairs: &[(&str, &str)], mode, usable| {
            let settings = settings(pairs);
            assert_eq!(settings.mode(), mode, "{pairs:?}");
            assert_eq!(settings.finish().is_ok(), usable, "{pairs:?}");
        };
        check(&[], Mode::Production, true);
        check(&[("APP_ENV", "development")], Mode::Development, true);
        check(&[("NODE_ENV", "development")], Mode::Development, true);
        check(&[("APP_ENV", "development"), ("NODE_ENV", "development")], Mode::Development, true);
        check(&[("APP_ENV", "development"), ("NODE_ENV", "production")], Mode::Production, false);
        check(&[("APP_ENV", "staging")], Mode::Production, false);
        check(&[("APP_ENV", "")], Mode::Production, true);
    }

    #[test]
    fn every_complaint_is_told_at_once() {
        let mut settings = settings(&[("TTL", "soon"), ("COST", "many"), ("FLAG", "yes"), ("KEY", "short")]);
        assert_eq!(settings.duration("TTL", Duration::from_secs(1)), Duration::from_secs(1));
        assert_eq!(settings.number("COST", 12u32), 12);
        assert!(!settings.flag("FLAG", false));
        assert!(settings.key("KEY").is_none());
        settings.required("DATABASE_URL");
        let SettingsError(complaints) = settings.finish().unwrap_err();
        assert_eq!(complaints.len(), 5, "{complaints:?}");
        assert!(!complaints[3].contains("short\""), "a secret is never repeated: {complaints:?}");
    }

    #[test]
    fn debug_output_hides_every_value() {
        let shown = format!("{:?}", settings(&[("JWT_SECRET", "hunter2")]));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn dotenv_lines() {
        let mut settings = settings(&[]);
        let pairs = settings.parse_dotenv("# note\nA=1\n B = \"two words\" \nC='#'\nD=\nwrong\n");
        let expected = [("A", "1"), ("B", "two words"), ("C", "#")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(settings.finish().unwrap_err().0, [".env line 6 is not NAME=value"]);
    }

    #[test]
    fn lists_and_keys() {
        let key = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";
        let mut settings = settings(&[("ORIGINS", " http://a , ,http://b"), ("PREVIOUS", key)]);
        assert_eq!(settings.list("ORIGINS"), ["http://a", "http://b"]);
        assert_eq!(settings.keys("PREVIOUS").len(), 1);
        assert!(settings.keys("NONE").is_empty());
        settings.finish().unwrap();
    }
}
