//! `audit_events`, read a page at a time: one statement.

use database::Database;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Int8, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use uuid::{Builder, Uuid};

use super::administration::{Asking, Mandate, NotDone};
use crate::accounts::UserId;
use crate::sessions::SessionId;

/// By how much the clock that gave an event its id may differ from the database's, which gave it its time.
const CLOCKS: Duration = Duration::minutes(10);

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrailFilter {
    /// Of this account.
    pub user: Option<UserId>,
    /// What this account did to others.
    pub actor: Option<UserId>,
    /// Of this kind.
    pub kind: Option<String>,
    /// At that time or later.
    pub from: Option<OffsetDateTime>,
    /// Before that time.
    pub to: Option<OffsetDateTime>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Queryable)]
pub struct TrailEvent {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: OffsetDateTime,
    /// What.
    pub kind: String,
    /// To or by whom.
    pub user: Option<UserId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// Who did it, when that is somebody else.
    pub actor: Option<UserId>,
    /// From where.
    pub address: Option<String>,
    /// With what.
    pub user_agent: Option<String>,
    /// In which request.
    pub request_id: Option<String>,
    /// What else is known.
    pub detail: Value,
}

type Columns = (
    SqlUuid,
    Timestamptz,
    Text,
    Nullable<SqlUuid>,
    Nullable<SqlUuid>,
    Nullable<SqlUuid>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Jsonb,
);

struct Read<'a> {
    asking: Asking<'a>,
    filter: &'a TrailFilter,
    /// Ids of events that were written around `from` and `to`: `at` needs no index.
    from_id: Option<Uuid>,
    to_id: Option<Uuid>,
    after: Option<Uuid>,
    limit: i64,
}

impl QueryId for Read<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Read<'_> {
    type SqlType = (Nullable<Columns>,);
}

macro_rules! push_if {
    ($out:ident, $($text:literal, $sql_type:ty, $value:expr;)*) => {$(
        if let Some(value) = $value {
            $out.push_sql($text);
            $out.push_bind_param::<$sql_type, _>(value)?;
        }
    )*};
}

impl QueryFragment<Pg> for Read<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let filter = self.filter;
        self.asking.push(&mut out)?;
        out.push_sql(
            "SELECT page.* FROM asking LEFT JOIN LATERAL (\
             SELECT id, at, kind, user_id, session_id, actor_id, address, user_agent, request_id, detail \
             FROM audit_events WHERE true",
        );
        push_if!(out,
            " AND user_id = ", SqlUuid, filter.user.as_ref().map(|user| &user.0);
            " AND actor_id = ", SqlUuid, filter.actor.as_ref().map(|actor| &actor.0);
            " AND kind = ", Text, &filter.kind;
            " AND at >= ", Timestamptz, &filter.from;
            " AND at < ", Timestamptz, &filter.to;
            " AND id >= ", SqlUuid, &self.from_id;
            " AND id < ", SqlUuid, &self.to_id;
            " AND id < ", SqlUuid, &self.after;
        );
        out.push_sql(" ORDER BY id DESC LIMIT ");
        out.push_bind_param::<Int8, _>(&self.limit)?;
        out.push_sql(") AS page ON true WHERE asking.role = 'ADMIN' ORDER BY page.id DESC");
        Ok(())
    }
}

/// Up to `limit` events, the newest first, older than `after`.
///
/// # Errors
/// [`NotDone::NotAsked`], or the database is away.
pub async fn read(
    db: &Database,
    mandate: &Mandate<'_>,
    filter: &TrailFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<TrailEvent>, NotDone> {
    let from_id = filter.from.map(|from| least_id(from.checked_sub(CLOCKS).unwrap_or(from)));
    let to_id = filter.to.map(|to| least_id(to.checked_add(CLOCKS).unwrap_or(to)));
    let statement = Read { asking: Asking::new(mandate), filter, from_id, to_id, after, limit };
    let rows: Vec<(Option<TrailEvent>,)> =
        db.run(async |connection| statement.load(connection).await).await?;
    if rows.is_empty() {
        return Err(NotDone::NotAsked);
    }
    Ok(rows.into_iter().filter_map(|(event,)| event).collect())
}

/// The least UUIDv7 that is made at a time.
fn least_id(time: OffsetDateTime) -> Uuid {
    let millis = u64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_made_at_a_time_is_not_below_it() {
        let before = OffsetDateTime::now_utc();
        let id = Uuid::now_v7();
        assert!(least_id(before) <= id);
        assert!(least_id(before + Duration::seconds(10)) > id);
        assert!(least_id(OffsetDateTime::UNIX_EPOCH - Duration::DAY) < id);
    }
}
