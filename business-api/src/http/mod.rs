//! HTTP: handlers that load, let a rule decide, write and answer, and what they read from a request.

pub mod admin_orders;
pub mod document;
mod idempotency;
mod order_body;
mod order_id;
pub mod orders;
pub mod service_orders;

use identity_axum::CurrentUser;
use time::OffsetDateTime;

use crate::db::Orders;
use crate::error::Error;
use crate::orders::{CustomerId, Order, OrderId, Viewer};

fn customer(user: &CurrentUser) -> CustomerId {
    CustomerId(user.id.clone())
}

fn viewer(user: &CurrentUser) -> Viewer {
    if user.role == "ADMIN" { Viewer::Administrator } else { Viewer::Customer(customer(user)) }
}

/// The order, if this viewer may see it; otherwise it does not exist for them.
async fn find_visible(orders: &Orders, id: OrderId, viewer: &Viewer) -> Result<Order, Error> {
    let found = orders.find(id).await?;
    found.filter(|order| order.is_visible_to(viewer)).ok_or(Error::NotFound)
}

/// The time in the precision that the database keeps, so that an answer equals what is read later.
fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_microsecond(now.microsecond()).unwrap_or(now)
}
