//! `.env`: secrets made once and kept, beside whatever a person has written there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

const HEADING: &str = "\
# Secrets of this checkout's development setup, made by `cargo xtask up`; git ignores this file.
# `up` reads it and gives each process its own settings only. Settings of the processes (LOG, BCRYPT_COST,
# REFRESH_GRACE, …), PORT and DATABASE_URL may be added here; the real environment wins.
";

/// What is made when it is missing, each 256 random bits.
const MADE: [&str; 4] = ["JWT_SECRET", "IDENTITY_KEY", "AUTH_DATABASE_PASSWORD", "ORDERS_DATABASE_PASSWORD"];

/// The settings of this machine: `.env`, and over it the environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    file: BTreeMap<String, String>,
    ignore_environment: bool,
}

impl Settings {
    /// Reads `path` and adds the secrets that it lacks.
    pub(crate) fn read_or_make(path: &Path) -> Result<Self> {
        let file = fs::read_to_string(path).map(|text| parse(&text)).unwrap_or_default();
        let mut settings = Self { file, ignore_environment: false };
        let missing: Vec<_> = MADE.into_iter().filter(|name| !settings.file.contains_key(*name)).collect();
        let mut lines = String::new();
        for name in missing {
            let secret = random_hex()?;
            lines.push_str(&format!("{name}={secret}\n"));
            settings.file.insert(name.to_owned(), secret);
        }
        append(path, &lines)?;
        Ok(settings)
    }

    /// Removes the secrets from `path`; what a person wrote stays.
    pub(crate) fn forget_secrets(path: &Path) -> Result<()> {
        let Ok(text) = fs::read_to_string(path) else {
            return Ok(());
        };
        let is_secret =
            |line: &&str| MADE.iter().any(|name| line.trim_start().starts_with(&format!("{name}=")));
        let kept: Vec<_> = text.lines().filter(|line| !is_secret(line)).collect();
        fs::write(path, kept.join("\n") + "\n").with_context(|| format!("writing {}", path.display()))
    }

    /// Fresh secrets that are written nowhere, deaf to the environment.
    pub(crate) fn throwaway() -> Result<Self> {
        let secrets = MADE.into_iter().map(|name| Ok((name.to_owned(), random_hex()?)));
        let mut file: BTreeMap<_, _> = secrets.collect::<Result<_>>()?;
        // A test's report is read from its end; every request on the way would drown it.
        file.insert("LOG".to_owned(), "warn".to_owned());
        Ok(Self { file, ignore_environment: true })
    }

    /// The same with this setting.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.file.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A setting, if it is set to anything.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let real = std::env::var(name).ok().filter(|_| !self.ignore_environment);
        real.or_else(|| self.file.get(name).cloned()).filter(|value| !value.trim().is_empty())
    }

    /// A secret that [`Settings::read_or_make`] has made sure of.
    pub(crate) fn secret(&self, name: &str) -> Result<String> {
        self.get(name).with_context(|| format!("{name} is empty in .env"))
    }
}

fn append(path: &Path, lines: &str) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let heading = if path.exists() { "" } else { HEADING };
    fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| write!(file, "{heading}\n{lines}"))
        .with_context(|| format!("writing {}", path.display()))
}

/// `NAME=value` lines, as the processes read them too.
fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), unquote(value.trim()).to_owned()))
        .collect()
}

fn unquote(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

fn random_hex() -> Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("reading /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_once_and_what_a_person_wrote_stays() {
        let path = std::env::temp_dir().join(format!("env-{}", std::process::id()));
        fs::write(&path, "BCRYPT_COST='10'\nJWT_SECRET=mine").unwrap();
        let first = Settings::read_or_make(&path).unwrap();
        let second = Settings::read_or_make(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(first.file, second.file);
        assert_eq!(first.file["JWT_SECRET"], "mine");
        assert_eq!(first.file["BCRYPT_COST"], "10");
        assert_eq!(first.file["IDENTITY_KEY"].len(), 64);
        assert!(text.starts_with("BCRYPT_COST='10'\nJWT_SECRET=mine\n"), "{text}");
    }
}
