//! What an order is, and who may see it.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::orders::{Currency, Status};

/// An order's id: a UUIDv7, so that later orders have greater ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderId(pub Uuid);

/// Who placed an order: `X-User-Id` as the gateway gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerId(pub String);

/// An order. Only its status ever changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Who placed it.
    pub customer: CustomerId,
    /// Where it stands.
    pub status: Status,
    /// What its amounts are in.
    pub currency: Currency,
    /// What was ordered; never empty.
    pub items: Vec<Item>,
    /// The sum over the items, in the currency's minor unit.
    pub total_minor: i64,
    /// When it was placed.
    pub created_at: OffsetDateTime,
    /// When its status last changed.
    pub updated_at: OffsetDateTime,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The article.
    pub sku: String,
    /// How many.
    pub quantity: i32,
    /// What one costs, in the currency's minor unit.
    pub unit_price_minor: i64,
}

/// Whose eyes an order is seen with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewer {
    /// Sees their own orders.
    Customer(CustomerId),
    /// Sees every order.
    Administrator,
}

impl Order {
    /// Whether this viewer may know that the order exists.
    #[must_use]
    pub fn is_visible_to(&self, viewer: &Viewer) -> bool {
        match viewer {
            Viewer::Customer(customer) => *customer == self.customer,
            Viewer::Administrator => true,
        }
    }

    /// The order as it stood when it was placed.
    #[must_use]
    pub fn as_placed(self) -> Self {
        Self { status: Status::Pending, updated_at: self.created_at, ..self }
    }
}
