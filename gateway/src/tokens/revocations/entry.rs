//! One line of the feed: what is revoked, and until when that matters. The contract is `docs/revocations.md`.

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Clocks of the database, the auth service and this machine differ; an entry must outlive its tokens on all of them.
const LINGER_SECONDS: i64 = 60;
/// No honest id is longer; a key's id is kept as it is.
const LONGEST_ID: usize = 256;

/// A `revocation` event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) revoked: Revoked,
    /// When the last token that it concerns is dead, in Unix seconds.
    expires_at: i64,
}

/// What no longer counts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Revoked {
    /// A session.
    Session { sid: String },
    /// A user's tokens of an earlier epoch.
    User { sub: String, least_epoch: u32 },
    /// A client's, likewise.
    Client { client_id: String, least_epoch: u32 },
    /// A signing key.
    Key { kid: String },
    /// Something that an auth service newer than this gateway revokes.
    #[serde(other)]
    Unknown,
}

/// No entry of the contract's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a revocation that cannot be read")]
pub(super) struct Garbled;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(flatten)]
    revoked: Revoked,
    expires_at: String,
}

impl Entry {
    /// Reads an event's data.
    pub(super) fn parse(data: &str) -> Result<Self, Garbled> {
        let Written { revoked, expires_at } = serde_json::from_str(data).map_err(|_| Garbled)?;
        let expires_at = OffsetDateTime::parse(&expires_at, &Rfc3339).map_err(|_| Garbled)?.unix_timestamp();
        let id_is_fine = revoked.id().is_none_or(|id| !id.is_empty() && id.len() <= LONGEST_ID);
        if id_is_fine { Ok(Self { revoked, expires_at }) } else { Err(Garbled) }
    }

    /// How long to keep it, in Unix seconds.
    pub(super) const fn until(&self) -> i64 {
        self.expires_at.saturating_add(LINGER_SECONDS)
    }
}

impl Revoked {
    /// The place of the kind in [`super::KINDS`].
    pub(super) const fn kind(&self) -> usize {
        match self {
            Self::Session { .. } => 0,
            Self::User { .. } => 1,
            Self::Client { .. } => 2,
            Self::Key { .. } => 3,
            Self::Unknown => 4,
        }
    }

    fn id(&self) -> Option<&str> {
        match self {
            Self::Session { sid: id }
            | Self::User { sub: id, .. }
            | Self::Client { client_id: id, .. }
            | Self::Key { kid: id } => Some(id),
            Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: &str, expected: Result<Revoked, Garbled>) {
        let expected = expected.map(|revoked| Entry { revoked, expires_at: 1_795_518_000 });
        assert_eq!(Entry::parse(data), expected, "{data}");
    }

    #[test]
    fn each_kind_is_read() {
        const UNTIL: &str = "\"expiresAt\": \"2026-11-24T11:00:00Z\"";
        let check = |fields: &str, expected| check(&format!("{{{fields}, {UNTIL}}}"), Ok(expected));
        check(r#""kind": "session", "sid": "s-1""#, Revoked::Session { sid: "s-1".into() });
        check(
            r#""kind": "user", "sub": "u-1", "leastEpoch": 4"#,
            Revoked::User { sub: "u-1".into(), least_epoch: 4 },
        );
        check(
            r#""kind": "client", "clientId": "reports", "leastEpoch": 1"#,
            Revoked::Client { client_id: "reports".into(), least_epoch: 1 },
        );
        check(r#""kind": "key", "kid": "k1", "more": []"#, Revoked::Key { kid: "k1".into() });
        check(r#""kind": "continent", "name": "Europe""#, Revoked::Unknown);
    }

    #[test]
    fn what_cannot_be_read_is_no_entry() {
        let long =
            format!(r#"{{"kind":"key","kid":"{}","expiresAt":"2026-11-24T11:00:00Z"}}"#, "k".repeat(257));
        for data in [
            "",
            "{}",
            "[]",
            r#"{"kind":"session","sid":"s-1"}"#,
            r#"{"kind":"session","sid":"s-1","expiresAt":"soon"}"#,
            r#"{"kind":"session","sid":"s-1","expiresAt":1795518000}"#,
            r#"{"kind":"session","sid":"","expiresAt":"2026-11-24T11:00:00Z"}"#,
            r#"{"kind":"session","sid":null,"expiresAt":"2026-11-24T11:00:00Z"}"#,
            r#"{"kind":"user","sub":"u-1","expiresAt":"2026-11-24T11:00:00Z"}"#,
            r#"{"kind":"user","sub":"u-1","leastEpoch":-1,"expiresAt":"2026-11-24T11:00:00Z"}"#,
            r#"{"sid":"s-1","expiresAt":"2026-11-24T11:00:00Z"}"#,
            r#"{"kind":"session","sid":"s-1","expiresAt":"2026-11-24T11:00:00Z""#,
            &long,
        ] {
            check(data, Err(Garbled));
        }
    }
}
