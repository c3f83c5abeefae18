//! How the gateway's signature is checked.

use identity::{UpstreamKey, Verifier};
use process::Settings;
use secret::Secret;

/// How the gateway's signature is checked.
#[derive(Debug, Clone)]
pub struct IdentitySettings {
    /// Our name among the gateway's upstreams (`IDENTITY_NAME`).
    pub name: String,
    /// `IDENTITY_KEY`, then those of `IDENTITY_KEY_PREVIOUS`.
    pub keys: Vec<Secret<Vec<u8>>>,
}

impl IdentitySettings {
    /// Checks that a request comes from the gateway.
    pub fn verifier(&self) -> Verifier {
        Verifier::new(&self.name, self.keys.iter().cloned().map(UpstreamKey::new).collect())
    }
}

pub(super) fn read_identity(settings: &mut Settings) -> IdentitySettings {
    let name = settings.text("IDENTITY_NAME").unwrap_or_else(|| "auth".to_owned());
    if !identity::names::is_upstream_name(&name) {
        settings.problem("IDENTITY_NAME", "may have 1 to 64 letters, digits, - and _");
    }
    let mut keys = vec![settings.required_key("IDENTITY_KEY")];
    keys.extend(settings.keys("IDENTITY_KEY_PREVIOUS"));
    IdentitySettings { name, keys }
}
