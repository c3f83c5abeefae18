//! Every setting that this process reads. Nothing else reads the environment.

use std::net::SocketAddr;

use identity::{UpstreamKey, Verifier};
use process::telemetry::LogSettings;
use process::{Mode, Settings, SettingsError};

/// The orders API's settings.
pub struct Config {
    /// Development or production (`APP_ENV`).
    pub mode: Mode,
    /// How to log (`LOG`, `LOG_FORMAT`).
    pub log: LogSettings,
    /// Where the gateway calls (`LISTEN`).
    pub listen: SocketAddr,
    /// Where the operator looks (`ADMIN_LISTEN`).
    pub admin_listen: SocketAddr,
    /// Where the orders are (`DATABASE_URL`).
    pub database_url: database::Url,
    /// The most connections at a time (`DATABASE_POOL`).
    pub database_pool: usize,
    /// Knows the gateway's requests (`IDENTITY_NAME`, `IDENTITY_KEY`, `IDENTITY_KEY_PREVIOUS`).
    pub verifier: Verifier,
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let mode = settings.mode();
        let log = LogSettings::read(&mut settings);
        let listen = settings.address("LISTEN", SocketAddr::from(([127, 0, 0, 1], 8082)));
        let admin_listen = settings.address("ADMIN_LISTEN", SocketAddr::from(([127, 0, 0, 1], 9082)));
        let database_pool = read_pool(&mut settings);
        let verifier = read_verifier(&mut settings);
        let database_url = read_database_url(&mut settings);
        settings.finish()?;
        // What is missing has been complained about; this only tells the compiler.
        let database_url =
            database_url.ok_or_else(|| SettingsError(vec!["DATABASE_URL is required".to_owned()]))?;
        Ok(Self { mode, log, listen, admin_listen, database_url, database_pool, verifier })
    }
}

fn read_pool(settings: &mut Settings) -> usize {
    let pool = settings.number("DATABASE_POOL", 8);
    if pool == 0 {
        settings.problem("DATABASE_POOL", "must be at least 1");
    }
    pool
}

fn read_verifier(settings: &mut Settings) -> Verifier {
    let name = settings.text("IDENTITY_NAME").unwrap_or_else(|| "orders".to_owned());
    if !identity::names::is_upstream_name(&name) {
        settings.problem("IDENTITY_NAME", "may have 1 to 64 of A-Z a-z 0-9 _ -");
    }
    let mut keys = vec![settings.required_key("IDENTITY_KEY")];
    keys.extend(settings.keys("IDENTITY_KEY_PREVIOUS"));
    Verifier::new(&name, keys.into_iter().map(UpstreamKey::new).collect())
}

fn read_database_url(settings: &mut Settings) -> Option<database::Url> {
    let text = settings.required("DATABASE_URL");
    if text.is_empty() {
        return None;
    }
    text.parse().map_err(|error| settings.problem("DATABASE_URL", error)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 2] = [
        ("DATABASE_URL", "postgres://orders@127.0.0.1/orders"),
        ("IDENTITY_KEY", "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="),
    ];

    fn complaints(changes: &[(&str, &str)]) -> Vec<String> {
        let pairs = GOOD.iter().chain(changes).copied();
        Config::read(Settings::from_pairs(pairs)).err().map(|error| error.0).unwrap_or_default()
    }

    #[test]
    fn two_settings_suffice() {
        let config = Config::read(Settings::from_pairs(GOOD)).ok().unwrap();
        assert_eq!(config.mode, Mode::Production);
        assert_eq!(config.listen.to_string(), "127.0.0.1:8082");
        assert_eq!(config.admin_listen.to_string(), "127.0.0.1:9082");
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let wrong = complaints(&[
            ("LISTEN", "8082"),
            ("ADMIN_LISTEN", "localhost"),
            ("DATABASE_POOL", "0"),
            ("IDENTITY_NAME", "or ders"),
            ("IDENTITY_KEY", "short"),
            ("DATABASE_URL", "mysql://h/d"),
        ]);
        let named: Vec<_> = wrong.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(
            named,
            ["LISTEN", "ADMIN_LISTEN", "DATABASE_POOL", "IDENTITY_NAME", "IDENTITY_KEY", "DATABASE_URL"]
        );
    }

    #[test]
    fn what_has_no_default_is_required() {
        for missing in ["IDENTITY_KEY", "DATABASE_URL"] {
            let pairs = GOOD.into_iter().filter(|(name, _)| *name != missing);
            let complaints = Config::read(Settings::from_pairs(pairs)).err().unwrap().0;
            assert_eq!(complaints.len(), 1);
            assert!(complaints[0].starts_with(missing), "{complaints:?}");
        }
    }
}
