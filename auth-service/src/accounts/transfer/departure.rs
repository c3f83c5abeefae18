//! An account that leaves, as a line.

use time::OffsetDateTime;
use time::error::Format;
use time::format_description::well_known::Rfc3339;

use super::{Existing, Record};

/// An account with what else is told of it.
#[derive(Debug, Clone)]
pub struct Departure {
    /// The account.
    pub account: Existing,
    /// Whether it is one for demonstrations.
    pub demo: bool,
    /// Whether a second factor is in force. Its secret is sealed under this installation's key, and stays.
    pub second_factor: bool,
}

impl Departure {
    /// Its line. What is not so is left out, for brevity; what a reader would have to guess is not.
    ///
    /// # Errors
    /// A time has a year that RFC 3339 cannot write.
    pub fn record(self) -> Result<Record, Format> {
        let Self { account, demo, second_factor } = self;
        let hash = account.password_hash;
        Ok(Record {
            id: Some(account.id.to_string()),
            email: Some(account.email),
            password_hash: (!hash.is_missing()).then(|| hash.secret().expose().clone()),
            role: Some(account.role.to_string()),
            status: Some(account.status.as_str().to_owned()),
            created_at: Some(rfc3339(account.created_at)?),
            email_verified_at: account.email_verified_at.map(rfc3339).transpose()?,
            email_verified: None,
            demo: demo.then_some(true),
            second_factor: second_factor.then_some(true),
        })
    }
}

fn rfc3339(time: OffsetDateTime) -> Result<String, Format> {
    time.format(&Rfc3339)
}
