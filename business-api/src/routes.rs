//! Every route and every layer.

use axum::Router;
use axum::routing::{get, patch, post};
use http_api::HttpMetrics;
use identity::Verifier;
use identity_axum::{require_role, verify};

use crate::db::Orders;
use crate::http::admin_orders::{list_all_orders, set_order_status};
use crate::http::orders::{cancel_order, get_order, list_orders, place_order};
use crate::http::service_orders::list_orders_for_service;

/// The whole API. Only what the gateway signed for this service gets past `verify`.
pub fn router(orders: Orders, verifier: Verifier, metrics: HttpMetrics) -> Router {
    let own = Router::new()
        .route("/api/orders", get(list_orders).post(place_order))
        .route("/api/orders/{id}", get(get_order))
        .route("/api/orders/{id}/cancel", post(cancel_order));
    let admin = Router::new()
        .route("/api/admin/orders", get(list_all_orders))
        .route("/api/admin/orders/{id}", patch(set_order_status))
        .route_layer(require_role("ADMIN"));
    let services = Router::new().route("/api/services/orders", get(list_orders_for_service));
    let router = own.merge(admin).merge(services).layer(verify(verifier)).with_state(orders);
    http_api::finish(router, metrics)
}
