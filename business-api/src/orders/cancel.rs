//! Giving an order up, as long as it has not been shipped.

use time::OffsetDateTime;

use crate::orders::status::{IllegalTransition, change};
use crate::orders::{Order, Status};

/// The order, cancelled.
///
/// # Errors
/// It has been shipped, or cancelled before.
pub fn cancel(order: Order, now: OffsetDateTime) -> Result<Order, IllegalTransition> {
    change(order, Status::Cancelled, now)
}
