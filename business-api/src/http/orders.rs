//! `/api/orders`: the caller's own orders.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use http_api::{Json, Page, PageBody};
use identity_axum::CurrentUser;
use problem::codes;
use uuid::Uuid;

use crate::db::Orders;
use crate::error::Error;
use crate::http::idempotency::Idempotency;
use crate::http::order_body::{DraftBody, OrderBody};
use crate::http::{customer, find_visible, now, viewer};
use crate::orders::cancel::cancel;
use crate::orders::idempotency_key::answer_again;
use crate::orders::place::{check, place};
use crate::orders::{Order, OrderId};

/// Lists the caller's orders, the newest first.
#[utoipa::path(
    get, path = "/api/orders", tag = "orders", params(Page),
    responses((status = 200, description = "A page of orders.", body = PageBody<OrderBody>)),
)]
pub async fn list_orders(
    State(orders): State<Orders>,
    user: CurrentUser,
    page: Page,
) -> Result<Json<PageBody<OrderBody>>, Error> {
    let found = orders.page_of(&customer(&user), page.after.map(OrderId), page.fetch()).await?;
    Ok(Json(OrderBody::page(page, found)))
}

/// Places an order.
#[utoipa::path(
    post, path = "/api/orders", tag = "orders", request_body = DraftBody,
    params(("Idempotency-Key" = Option<String>, Header, nullable = false, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
        description = "The caller's own name for this attempt. Sent again with the same order, it is answered with the order that was placed.",
    )),
    responses((status = 201, description = "The order.", body = OrderBody, headers(
        ("Location" = String, description = "Always there: where the order is."),
    ))),
    extensions(("x-problems" = json!([codes::INVALID_IDEMPOTENCY_KEY, codes::IDEMPOTENCY_KEY_REUSED]))),
)]
pub async fn place_order(
    State(orders): State<Orders>,
    user: CurrentUser,
    Idempotency(key): Idempotency,
    Json(draft): Json<DraftBody>,
) -> Result<impl IntoResponse, Error> {
    let placement = check(draft.into()).map_err(Error::InvalidFields)?;
    let order = place(OrderId(Uuid::now_v7()), customer(&user), placement.clone(), now());
    let placed = match orders.insert(&order, key.as_ref()).await? {
        None => order,
        Some(before) => answer_again(before, &placement)?,
    };
    Ok(created(placed))
}

fn created(order: Order) -> impl IntoResponse {
    let location = format!("/api/orders/{}", order.id.0);
    (StatusCode::CREATED, [(LOCATION, location)], Json(OrderBody::from(order)))
}

/// Shows one of the caller's orders; to an ADMIN any.
#[utoipa::path(
    get, path = "/api/orders/{id}", tag = "orders", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The order.", body = OrderBody)),
)]
pub async fn get_order(
    State(orders): State<Orders>,
    user: CurrentUser,
    id: OrderId,
) -> Result<Json<OrderBody>, Error> {
    let order = find_visible(&orders, id, &viewer(&user)).await?;
    Ok(Json(order.into()))
}

/// Cancels an order that is not shipped yet.
#[utoipa::path(
    post, path = "/api/orders/{id}/cancel", tag = "orders", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The order, cancelled.", body = OrderBody)),
    extensions(("x-problems" = json!([codes::ILLEGAL_TRANSITION]))),
)]
pub async fn cancel_order(
    State(orders): State<Orders>,
    user: CurrentUser,
    id: OrderId,
) -> Result<Json<OrderBody>, Error> {
    let order = find_visible(&orders, id, &viewer(&user)).await?;
    let before = order.status;
    let cancelled = cancel(order, now())?;
    orders.save_status(&cancelled, before).await?.then_some(()).ok_or(Error::ChangedMeanwhile)?;
    Ok(Json(cancelled.into()))
}
