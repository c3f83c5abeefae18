//! `GET /api/admin/audit`: what was done to whom, by whom, from where (see `routes` for the role).

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use http_api::{Json, Page, PageBody};
use identity_axum::{Caller, CurrentUser};
use problem::codes;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::admin_users::Administrator;
use crate::accounts::UserId;
use crate::app::App;
use crate::db::audit_trail::{self, TrailEvent, TrailFilter};
use crate::error::{Error, InvalidQuery};
use crate::sessions::SessionId;

/// The query. A misspelt filter must not pass for one that nothing is left out by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrailQuery {
    user: Option<Uuid>,
    actor: Option<Uuid>,
    kind: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    from: Option<OffsetDateTime>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    to: Option<OffsetDateTime>,
    #[serde(rename = "limit")]
    _limit: Option<IgnoredAny>,
    #[serde(rename = "cursor")]
    _cursor: Option<IgnoredAny>,
}

const FILTERS: InvalidQuery = InvalidQuery(
    "of user, actor (ids), kind, from, to (times as in RFC 3339), limit and cursor each may stand once",
);

/// An event in an answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TrailItem {
    id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    kind: String,
    user: Option<UserId>,
    session: Option<SessionId>,
    actor: Option<UserId>,
    address: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    #[schema(value_type = Object)]
    detail: Value,
}

/// Lists events, the newest first.
#[utoipa::path(
    get, path = "/api/admin/audit", tag = "administration",
    params(
        Page,
        ("user" = Option<Uuid>, Query, nullable = false, description = "To or by whom."),
        ("actor" = Option<Uuid>, Query, nullable = false, description = "Who did it to somebody else."),
        ("kind" = Option<String>, Query, nullable = false, description = "What happened."),
        ("from" = Option<OffsetDateTime>, Query, nullable = false, description = "At this time or later."),
        ("to" = Option<OffsetDateTime>, Query, nullable = false, description = "Before this time."),
    ),
    responses((status = 200, description = "A page of events.", body = PageBody<TrailItem>, headers(
        ("Cache-Control" = String, description = "Always `no-store`."),
    ))),
    extensions(("x-problems" = json!([codes::SESSION_ENDED]))),
)]
pub async fn list_audit_events(
    State(app): State<Arc<App>>,
    caller: Caller,
    admin: CurrentUser,
    headers: HeaderMap,
    page: Page,
    query: Result<Query<TrailQuery>, QueryRejection>,
) -> Result<impl IntoResponse, Error> {
    let Query(query) = query.map_err(|_rejection| FILTERS)?;
    let filter = query.filter()?;
    let admin = Administrator::new(&app, &caller, &admin, &headers)?;
    let found = audit_trail::read(&app.database, &admin.mandate(), &filter, page.after, page.fetch()).await?;
    let items = found.into_iter().map(TrailItem::from).collect();
    let body = page.body(items, |item: &TrailItem| item.id);
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)))
}

impl TrailQuery {
    fn filter(self) -> Result<TrailFilter, InvalidQuery> {
        let Self { user, actor, kind, from, to, .. } = self;
        if kind.as_deref().is_some_and(|kind| kind.contains('\0')) {
            return Err(FILTERS);
        }
        Ok(TrailFilter { user: user.map(UserId), actor: actor.map(UserId), kind, from, to })
    }
}

impl From<TrailEvent> for TrailItem {
    fn from(event: TrailEvent) -> Self {
        let TrailEvent { id, at, kind, user, session, actor, address, user_agent, request_id, detail } =
            event;
        Self { id, at, kind, user, session, actor, address, user_agent, request_id, detail }
    }
}
