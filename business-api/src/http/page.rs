//! Lists a page at a time, newest first: `limit` and `cursor` in, `{items,nextCursor}` out.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Error;
use crate::http::order_body::OrderBody;
use crate::orders::{Order, OrderId};

const DEFAULT_LIMIT: u8 = 20;
const MAX_LIMIT: u8 = 100;

/// Which page is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    limit: u8,
    /// The last order of the page before.
    pub after: Option<OrderId>,
}

/// A page in an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageBody {
    items: Vec<OrderBody>,
    /// `null` on the last page.
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct PageQuery {
    limit: Option<u8>,
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        const WRONG_LIMIT: Error = Error::InvalidQuery(
            "limit must be one number from 1 to 100, and cursor one that a list has given",
        );
        let query = Query::<PageQuery>::from_request_parts(parts, state).await;
        let Query(PageQuery { limit, cursor }) = query.map_err(|_| WRONG_LIMIT)?;
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(WRONG_LIMIT);
        }
        Ok(Self { limit, after: cursor.as_deref().map(read_cursor).transpose()? })
    }
}

impl Page {
    /// How many orders to fetch: one more than asked for tells whether there is a next page.
    #[must_use]
    pub fn fetch(self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The answer, from what was fetched.
    #[must_use]
    pub fn body(self, mut fetched: Vec<Order>) -> PageBody {
        let limit = usize::from(self.limit);
        let has_next = fetched.len() > limit;
        fetched.truncate(limit);
        let next_cursor = fetched.last().filter(|_| has_next).map(|last| write_cursor(last.id));
        PageBody { items: fetched.into_iter().map(OrderBody::from).collect(), next_cursor }
    }
}

fn write_cursor(id: OrderId) -> String {
    URL_SAFE_NO_PAD.encode(id.0.as_bytes())
}

fn read_cursor(cursor: &str) -> Result<OrderId, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let id = bytes.and_then(|bytes| Uuid::from_slice(&bytes).ok());
    id.map(OrderId).ok_or(Error::InvalidQuery("cursor is not one that a list has given"))
}
