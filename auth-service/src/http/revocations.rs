//! `GET /internal/revocations`: the feed, for a gateway that asks on its own behalf. No statement: it is read from memory.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::Frame;
use identity_axum::Caller;
use problem::codes;
use tokio::sync::mpsc;

use crate::app::App;
use crate::error::Error;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks proxies in between to pass every event on at once.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Pieces between the feed and the connection, at most 500 entries each.
const PIECES: usize = 4;

/// The gateway forwarded somebody's request here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only the gateway itself may subscribe to revocations")]
pub struct NotTheGateway;

/// Subscribes the caller, who has everything up to its `Last-Event-ID`.
#[utoipa::path(
    get, path = "/internal/revocations", tag = "internal", security(()),
    params(("Last-Event-ID" = Option<String>, Header, description = "The last `id` that the gateway has seen.")),
    responses((status = 200, description = "Events without end.", content_type = "text/event-stream", body = String)),
    extensions(("x-problems" = json!([codes::FORBIDDEN]))),
)]
pub async fn subscribe_revocations(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if !is_the_gateway_itself(&caller) {
        return Err(NotTheGateway.into());
    }
    let cursor = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
    let subscription = app.feed.subscribe(cursor)?;
    let (sender, receiver) = mpsc::channel(PIECES);
    let feed = Arc::clone(&app.feed);
    tokio::spawn(async move { subscription.serve(&feed, sender).await });
    let head = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
        (ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    Ok((head, Body::new(EventStream(receiver))).into_response())
}

/// A request of its own has no caller and nothing to forward.
fn is_the_gateway_itself(caller: &Caller) -> bool {
    caller.is_anonymous()
        && caller.client_address.is_none()
        && caller.proto.is_empty()
        && caller.host.is_empty()
}

/// What a subscriber's task writes.
struct EventStream(mpsc::Receiver<Bytes>);

impl http_body::Body for EventStream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|text| text.map(|text| Ok(Frame::data(text))))
    }
}
