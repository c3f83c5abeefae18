//! Lists a page at a time: `limit` and `cursor` in, `{items,nextCursor}` out.

use axum::extract::{FromRequestParts, Query};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::request::Parts;
use problem::{Problem, codes};
use serde::{Deserialize, Serialize};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::failure::Failure;

const DEFAULT_LIMIT: u8 = 20;
const MAX_LIMIT: u8 = 100;

/// Which page is asked for; 400 `invalid_query` when the query is none that a list understands. Most lists are in the order of
/// their items' ids; these are UUIDv7, so it is that of time.
#[derive(Debug, Clone, Copy)]
pub struct Page<C = Uuid> {
    limit: u8,
    /// What the last item of the page before is found by.
    pub after: Option<C>,
}

/// What an item of a list is found by. Clients get it in a form that says nothing at first sight.
pub trait Cursor: Sized {
    /// As bytes.
    fn to_bytes(&self) -> Vec<u8>;
    /// Read back.
    fn from_bytes(bytes: Vec<u8>) -> Option<Self>;
}

impl Cursor for Uuid {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        Self::from_slice(&bytes).ok()
    }
}

impl Cursor for String {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        Self::from_utf8(bytes).ok()
    }
}

/// A page in an answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PageBody<T> {
    items: Vec<T>,
    /// The `cursor` of the next page; `null` on the last one.
    next_cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
struct PageQuery {
    /// How many items at most; 20 when nothing is said.
    #[param(minimum = 1, maximum = 100, nullable = false)]
    limit: Option<u8>,
    /// The `nextCursor` of the page before.
    #[param(nullable = false)]
    cursor: Option<String>,
}

impl<C> IntoParams for Page<C> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        PageQuery::into_params(|| Some(ParameterIn::Query))
    }
}

impl<S: Send + Sync, C: Cursor> FromRequestParts<S> for Page<C> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        const WRONG: &str = "Limit must be one number from 1 to 100, and cursor one that a list has given.";
        let query = Query::<PageQuery>::from_request_parts(parts, state).await;
        let Query(PageQuery { limit, cursor }) = query.map_err(|_| invalid(WRONG))?;
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(invalid(WRONG));
        }
        Ok(Self { limit, after: cursor.as_deref().map(read_cursor).transpose()? })
    }
}

impl<C: Cursor> Page<C> {
    /// How many items to fetch: one more than asked for tells whether there is a next page.
    #[must_use]
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The answer, from what was fetched.
    #[must_use]
    pub fn body<T>(self, mut fetched: Vec<T>, id: impl Fn(&T) -> C) -> PageBody<T> {
        let limit = usize::from(self.limit);
        let has_next = fetched.len() > limit;
        fetched.truncate(limit);
        let next_cursor = fetched.last().filter(|_| has_next).map(|last| write_cursor(&id(last)));
        PageBody { items: fetched, next_cursor }
    }
}

fn write_cursor(id: &impl Cursor) -> String {
    URL_SAFE_NO_PAD.encode(id.to_bytes())
}

fn read_cursor<C: Cursor>(cursor: &str) -> Result<C, Failure> {
    let id = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(C::from_bytes);
    id.ok_or_else(|| invalid("Cursor is not one that a list has given."))
}

fn invalid(detail: &str) -> Failure {
    Problem::new(StatusCode::BAD_REQUEST, codes::INVALID_QUERY, detail).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_on_until_there_is_nothing_more() {
        let ids = [Uuid::from_u128(3), Uuid::from_u128(2), Uuid::from_u128(1)];
        let page = Page { limit: 2, after: None };
        assert_eq!(page.fetch(), 3);
        let first = page.body(ids.to_vec(), |id| *id);
        assert_eq!(first.items, ids[..2]);
        let after: Uuid = read_cursor(&first.next_cursor.expect("a next page")).expect("our own cursor");
        assert_eq!(after, ids[1]);
        let last = page.body(ids[2..].to_vec(), |id| *id);
        assert_eq!((last.items.len(), last.next_cursor), (1, None));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for wrong in ["", "AAAA", "*", "AAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(read_cursor::<Uuid>(wrong).is_err(), "{wrong}");
        }
        for wrong in ["*", "_w"] {
            assert!(read_cursor::<String>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_text_is_a_cursor_too() {
        let page: Page<String> = Page { limit: 1, after: None };
        let first = page.body(vec!["a", "b"], |item| (*item).to_owned());
        assert_eq!(
            read_cursor::<String>(&first.next_cursor.expect("a next page")).ok().as_deref(),
            Some("a")
        );
    }
}
