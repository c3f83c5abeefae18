//! Where the data is.

use process::{Settings, SettingsError};

/// Where the data is.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `DATABASE_URL`.
    pub url: database::Url,
    /// The server itself, for what a pooler in between would not carry (`DATABASE_DIRECT_URL`); else the same.
    pub direct: database::Url,
    /// The most connections at a time (`DATABASE_POOL`).
    pub pool: usize,
}

pub(super) fn read_database(settings: &mut Settings) -> Option<DatabaseSettings> {
    let url = settings.required("DATABASE_URL");
    let pool = settings.number("DATABASE_POOL", 16);
    if pool == 0 {
        settings.problem("DATABASE_POOL", "must be at least 1");
    }
    let direct = settings.text("DATABASE_DIRECT_URL");
    let direct = direct.and_then(|direct| read_url(settings, "DATABASE_DIRECT_URL", &direct));
    if url.is_empty() {
        return None;
    }
    let url = read_url(settings, "DATABASE_URL", &url)?;
    Some(DatabaseSettings { direct: direct.unwrap_or_else(|| url.clone()), url, pool })
}

fn read_url(settings: &mut Settings, name: &str, text: &str) -> Option<database::Url> {
    text.parse().map_err(|error| settings.problem(name, error)).ok()
}

/// Only the compiler needs this: a missing URL was complained about when it was read.
pub(super) fn no_database() -> SettingsError {
    SettingsError(vec!["DATABASE_URL is required".to_owned()])
}
