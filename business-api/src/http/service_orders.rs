//! `/api/services/orders`: everybody's orders, for the internal services that the gateway's route names.

use axum::extract::State;
use http_api::{Json, Page, PageBody};
use identity_axum::CurrentClient;

use crate::db::Orders;
use crate::error::Error;
use crate::http::order_body::OrderBody;
use crate::orders::OrderId;

/// Lists everybody's orders for an internal service, newest first.
#[utoipa::path(
    get, path = "/api/services/orders", tag = "services", params(Page),
    responses((status = 200, description = "A page of orders.", body = PageBody<OrderBody>)),
)]
pub async fn list_orders_for_service(
    State(orders): State<Orders>,
    _client: CurrentClient,
    page: Page,
) -> Result<Json<PageBody<OrderBody>>, Error> {
    let found = orders.page_of_all(page.after.map(OrderId), page.fetch()).await?;
    Ok(Json(OrderBody::page(page, found)))
}
