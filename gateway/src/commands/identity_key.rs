//! `gateway identity-key NAME`: the key to give to one upstream.

use identity::RootKey;
use process::{Settings, SettingsError};

/// The key of the upstream of this name in base64, from `IDENTITY_KEY` in the environment. No file is needed.
///
/// # Errors
/// When `IDENTITY_KEY` is missing or no key, or the name cannot be an upstream's.
pub fn identity_key(name: &str, mut settings: Settings) -> Result<String, SettingsError> {
    let root = settings.required_key("IDENTITY_KEY");
    if !identity::names::is_upstream_name(name) {
        settings.problem("NAME", "is an upstream's name: 1 to 64 of A-Z a-z 0-9 _ -");
    }
    settings.finish()?;
    Ok(RootKey::new(root).upstream(name).to_base64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn key(name: &str, root: &str) -> Result<String, Vec<String>> {
        identity_key(name, Settings::from_pairs([("IDENTITY_KEY", root)])).map_err(|error| error.0)
    }

    #[test]
    fn each_upstream_has_its_own_key() {
        let orders = key("orders", ROOT).unwrap();
        assert_eq!(orders.len(), 44);
        assert_ne!(orders, key("auth", ROOT).unwrap());
        secret::parse_key(&orders).unwrap();
    }

    #[test]
    fn without_a_root_there_is_none() {
        assert!(key("orders", "").unwrap_err()[0].starts_with("IDENTITY_KEY is required"));
        assert_eq!(key("orders", "short").unwrap_err().len(), 1);
        assert_eq!(key("or ders", ROOT).unwrap_err().len(), 1);
    }
}
