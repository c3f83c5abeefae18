//! Nothing is asked of a database that may not have its tables yet.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::{App, NotPrepared};
use crate::error::Error;

/// 503 until the start has been through with the database.
pub async fn require_prepared(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.prepared.is_set() { next.run(request).await } else { Error::from(NotPrepared).into_response() }
}
