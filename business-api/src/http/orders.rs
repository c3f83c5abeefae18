//! `/api/orders`: the caller's own orders.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use http_api::{Json, Page, PageBody};
use identity_axum::CurrentUser;
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

/// `GET /api/orders`
pub async fn list_orders(
    State(orders): State<Orders>,
    user: CurrentUser,
    page: Page,
) -> Result<Json<PageBody<OrderBody>>, Error> {
    let found = orders.page_of(&customer(&user), page.after.map(OrderId), page.fetch()).await?;
    Ok(Json(OrderBody::page(page, found)))
}

/// `POST /api/orders`
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

/// `GET /api/orders/{id}`
pub async fn get_order(
    State(orders): State<Orders>,
    user: CurrentUser,
    id: OrderId,
) -> Result<Json<OrderBody>, Error> {
    let order = find_visible(&orders, id, &viewer(&user)).await?;
    Ok(Json(order.into()))
}

/// `POST /api/orders/{id}/cancel`
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
