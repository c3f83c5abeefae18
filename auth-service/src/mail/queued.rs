//! A mail as the outbox gives it back.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::kind::Kind;
use crate::tokens::sealing::Sealed;

/// A mail that waits, or has been sent.
#[derive(Debug, Clone)]
pub struct Queued {
    /// Its id, the same at every attempt: the recipient's server can tell that it has it already.
    pub id: Uuid,
    /// What it tells.
    pub kind: Kind,
    /// To whom.
    pub recipient: String,
    /// What the text tells beside the token.
    pub detail: Value,
    /// The token.
    pub sealed: Option<Sealed>,
    /// When it was caused.
    pub created_at: OffsetDateTime,
}
