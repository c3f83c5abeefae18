//! The rules about orders: pure functions of an order, a command and the time. They know neither HTTP nor SQL.

pub mod advance;
pub mod cancel;
pub mod currency;
pub mod idempotency_key;
mod order;
pub mod place;
pub mod status;

pub use currency::Currency;
pub use idempotency_key::IdempotencyKey;
pub use order::{CustomerId, Item, Order, OrderId, Viewer};
pub use status::Status;
