//! `GET /api/admin/users`: accounts a page at a time.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use http_api::{Json, Page, PageBody};
use identity_axum::{Caller, CurrentUser};
use problem::codes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{AccountItem, Administrator};
use crate::accounts::search::{InvalidSearch, Position, Search};
use crate::accounts::{AccountStatus, Role};
use crate::app::App;
use crate::db::administration::{self, AccountFilter};
use crate::error::{Error, InvalidQuery};

/// The query. A misspelt filter must not pass for one that nothing is left out by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountsQuery {
    q: Option<String>,
    role: Option<Role>,
    status: Option<AccountStatus>,
    #[serde(rename = "limit")]
    _limit: Option<IgnoredAny>,
    #[serde(rename = "cursor")]
    _cursor: Option<IgnoredAny>,
}

const FILTERS: InvalidQuery =
    InvalidQuery("of q, role (USER, ADMIN), status (active, disabled), limit and cursor each may stand once");
const CURSOR: InvalidQuery = InvalidQuery("cursor is not one that this list has given");

/// Lists accounts, the newest first; those that are looked for in the order of their addresses.
#[utoipa::path(
    get, path = "/api/admin/users", tag = "administration",
    params(
        Page<String>,
        ("q" = Option<String>, Query, nullable = false,
         description = "An id, the beginning of an address, or @ and the beginning of its domain."),
        ("role" = Option<Role>, Query, nullable = false, description = "Only these."),
        ("status" = Option<AccountStatus>, Query, nullable = false, description = "Only these."),
    ),
    responses((status = 200, description = "A page of accounts.", body = PageBody<AccountItem>, headers(
        ("Cache-Control" = String, description = "Always `no-store`."),
    ))),
    extensions(("x-problems" = json!([codes::SESSION_ENDED]))),
)]
pub async fn list_users(
    State(app): State<Arc<App>>,
    caller: Caller,
    admin: CurrentUser,
    headers: HeaderMap,
    page: Page<String>,
    query: Result<Query<AccountsQuery>, QueryRejection>,
) -> Result<impl IntoResponse, Error> {
    let Query(query) = query.map_err(|_rejection| FILTERS)?;
    let filter = query.filter()?;
    let search = filter.search.as_ref();
    let after = page.after.as_deref().map(|text| Position::read(search, text).ok_or(CURSOR)).transpose()?;
    let admin = Administrator::new(&app, &caller, &admin, &headers)?;
    let found =
        administration::list_accounts(&app.database, &admin.mandate(), &filter, after.as_ref(), page.fetch())
            .await?;
    let items = found.into_iter().map(AccountItem::from).collect();
    let body = page.body(items, |item: &AccountItem| Position::of(search, item.id, &item.email).to_string());
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)))
}

impl AccountsQuery {
    fn filter(self) -> Result<AccountFilter, Error> {
        let Self { q, role, status, .. } = self;
        let search = q.map(|text| Search::parse(&text)).transpose()?;
        Ok(AccountFilter { search, role, status })
    }
}

impl From<InvalidSearch> for Error {
    fn from(_: InvalidSearch) -> Self {
        InvalidQuery(
            "q must be an id, the beginning of an e-mail address, or @ and the beginning of its domain",
        )
        .into()
    }
}
