//! The service's OpenAPI document. The operations describe themselves; a test holds the list below to `routes`.

use serde_json::Value;
use utoipa::OpenApi;

use crate::http::{admin_orders, orders, service_orders};

/// Everything that the service answers.
#[derive(OpenApi)]
#[openapi(
    info(title = "Portcullis: orders", description = "What the orders API answers, through the gateway."),
    tags(
        (name = "orders", description = "The caller's own orders."),
        (name = "administration", description = "For the role ADMIN."),
        (name = "services", description = "For internal services with a token of their own."),
    ),
    security(("bearer" = [])),
    paths(
        orders::list_orders,
        orders::place_order,
        orders::get_order,
        orders::cancel_order,
        admin_orders::list_all_orders,
        admin_orders::set_order_status,
        service_orders::list_orders_for_service,
    )
)]
struct Api;

/// The document.
#[must_use]
pub fn document() -> Value {
    http_api::document::document(&Api::openapi())
}
