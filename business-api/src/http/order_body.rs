//! Orders as JSON.

use http_api::{Page, PageBody};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::orders::place::{Draft, DraftItem};
use crate::orders::{Item, Order, Status};

/// An order in an answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderBody {
    id: Uuid,
    customer_id: String,
    status: Status,
    #[schema(example = "EUR")]
    currency: &'static str,
    items: Vec<ItemBody>,
    /// The sum over the items.
    total_minor: i64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ItemBody {
    sku: String,
    quantity: i32,
    unit_price_minor: i64,
}

impl OrderBody {
    /// A page of a list.
    pub fn page(page: Page, fetched: Vec<Order>) -> PageBody<Self> {
        page.body(fetched.into_iter().map(Self::from).collect(), |order| order.id)
    }
}

impl From<Order> for OrderBody {
    fn from(order: Order) -> Self {
        Self {
            id: order.id.0,
            customer_id: order.customer.0,
            status: order.status,
            currency: order.currency.as_str(),
            items: order.items.into_iter().map(ItemBody::from).collect(),
            total_minor: order.total_minor,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

impl From<Item> for ItemBody {
    fn from(item: Item) -> Self {
        Self { sku: item.sku, quantity: item.quantity, unit_price_minor: item.unit_price_minor }
    }
}

/// The body of `POST /api/orders`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct DraftBody {
    /// ISO 4217.
    #[schema(example = "EUR", pattern = "^[A-Z]{3}$")]
    currency: String,
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<DraftItemBody>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DraftItemBody {
    /// The article: visible characters, no spaces.
    #[schema(example = "cup", min_length = 1, max_length = 64)]
    sku: String,
    #[schema(example = 2, minimum = 1, maximum = 10_000)]
    quantity: i64,
    /// In the currency's minor unit, such as cents.
    #[schema(example = 1250, minimum = 0, maximum = 1_000_000_000)]
    unit_price_minor: i64,
}

impl From<DraftBody> for Draft {
    fn from(body: DraftBody) -> Self {
        let items = body.items.into_iter().map(|item| DraftItem {
            sku: item.sku,
            quantity: item.quantity,
            unit_price_minor: item.unit_price_minor,
        });
        Self { currency: body.currency, items: items.collect() }
    }
}
