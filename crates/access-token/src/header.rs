//! The token's header: it names a key and must not try to bring one.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use crate::unique;

/// What of a JOSE header matters here (RFC 7515 section 4.1).
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) typ: String,
    pub(crate) kid: String,
    #[serde(default)]
    crit: Present,
    #[serde(default)]
    jwk: Present,
    #[serde(default)]
    jku: Present,
    #[serde(default)]
    x5u: Present,
    #[serde(default)]
    x5c: Present,
    #[serde(default)]
    x5t: Present,
    #[serde(default, rename = "x5t#S256")]
    x5t_s256: Present,
}

impl Header {
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        unique::parse(json)
    }

    /// Whether the header demands an extension (none is known here) or points at a key of its own choice.
    pub(crate) fn demands_or_embeds(&self) -> bool {
        [&self.crit, &self.jwk, &self.jku, &self.x5u, &self.x5c, &self.x5t, &self.x5t_s256]
            .into_iter()
            .any(|member| member.0)
    }
}

/// Whether a member is there, whatever it says: `null` counts too.
#[derive(Debug, Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|IgnoredAny| Self(true))
    }
}
