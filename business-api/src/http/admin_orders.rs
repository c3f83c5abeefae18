//! `/api/admin/orders`: everybody's orders, for the role ADMIN (see `routes`).

use axum::extract::State;
use http_api::{Json, Page, PageBody};
use problem::codes;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::db::Orders;
use crate::error::Error;
use crate::http::order_body::OrderBody;
use crate::http::{find_visible, now};
use crate::orders::advance::advance;
use crate::orders::{OrderId, Status, Viewer};

/// The body of `PATCH`. A misspelt field must not pass for a change that was made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusBody {
    status: Status,
}

/// Lists everybody's orders, the newest first.
#[utoipa::path(
    get, path = "/api/admin/orders", tag = "administration", params(Page),
    responses((status = 200, description = "A page of orders.", body = PageBody<OrderBody>)),
)]
pub async fn list_all_orders(
    State(orders): State<Orders>,
    page: Page,
) -> Result<Json<PageBody<OrderBody>>, Error> {
    let found = orders.page_of_all(page.after.map(OrderId), page.fetch()).await?;
    Ok(Json(OrderBody::page(page, found)))
}

/// Moves an order on, or cancels it.
#[utoipa::path(
    patch, path = "/api/admin/orders/{id}", tag = "administration", params(("id" = Uuid, Path)),
    request_body = StatusBody,
    responses((status = 200, description = "The order as it is now.", body = OrderBody)),
    extensions(("x-problems" = json!([codes::ILLEGAL_TRANSITION]))),
)]
pub async fn set_order_status(
    State(orders): State<Orders>,
    id: OrderId,
    Json(body): Json<StatusBody>,
) -> Result<Json<OrderBody>, Error> {
    let order = find_visible(&orders, id, &Viewer::Administrator).await?;
    let before = order.status;
    let moved = advance(order, body.status, now())?;
    orders.save_status(&moved, before).await?.then_some(()).ok_or(Error::ChangedMeanwhile)?;
    Ok(Json(moved.into()))
}
