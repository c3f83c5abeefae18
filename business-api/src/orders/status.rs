//! Where an order stands and where it may go: `pending → paid → shipped`, and `cancelled` from the first two.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::orders::Order;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Status {
    /// Placed.
    Pending,
    /// Paid, not on its way yet.
    Paid,
    /// On its way; nothing can be changed any more.
    Shipped,
    /// Given up.
    Cancelled,
}

/// An order cannot go from the one status to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {from} cannot become {to}")]
pub struct IllegalTransition {
    from: Status,
    to: Status,
}

impl Status {
    /// All of them, in the order in which an order passes through.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Paid, Self::Shipped, Self::Cancelled];

    /// The word for it, in JSON and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Shipped => "shipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    const fn leads_to(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Paid | Self::Cancelled) | (Self::Paid, Self::Shipped | Self::Cancelled)
        )
    }
}

/// A word that is no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be pending, paid, shipped or cancelled")]
pub struct UnknownStatus;

// By way of a string: serde_json calls anything but a string where an enum should stand malformed JSON.
impl TryFrom<String> for Status {
    type Error = UnknownStatus;

    fn try_from(word: String) -> Result<Self, UnknownStatus> {
        Self::parse(&word).ok_or(UnknownStatus)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The order with another status.
pub(super) fn change(order: Order, to: Status, now: OffsetDateTime) -> Result<Order, IllegalTransition> {
    if order.status.leads_to(to) {
        Ok(Order { status: to, updated_at: now, ..order })
    } else {
        Err(IllegalTransition { from: order.status, to })
    }
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn every_step_is_allowed_or_not() {
        use Status::{Cancelled, Paid, Pending, Shipped};
        let allowed = [(Pending, Paid), (Pending, Cancelled), (Paid, Shipped), (Paid, Cancelled)];
        for from in Status::ALL {
            for to in Status::ALL {
                assert_eq!(from.leads_to(to), allowed.contains(&(from, to)), "{from} → {to}");
            }
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(serde_json::from_value::<Status>(status.as_str().into()).unwrap(), status);
        }
        assert_eq!(Status::parse("Pending"), None);
    }
}
