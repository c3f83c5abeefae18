//! Accounts a page at a time: one statement, and one range of one index, however many there are.

use database::Database;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;

use super::asking::Asking;
use super::{Mandate, NotDone};
use crate::accounts::search::{Position, Search};
use crate::accounts::{AccountStatus, Role};
use crate::db::users::User;

/// Which accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// Those that are looked for, in the order of their addresses; else all, the newest first.
    pub search: Option<Search>,
    /// Those of this role.
    pub role: Option<Role>,
    /// Those of this status.
    pub status: Option<AccountStatus>,
}

struct List<'a> {
    asking: Asking<'a>,
    filter: &'a AccountFilter,
    after: Option<&'a Position>,
    limit: i64,
    end: String,
}

type Columns = (SqlUuid, Text, Text, Text, Int4, Timestamptz);

// Its text depends on what is asked for, and is what diesel knows the statement by.
impl QueryId for List<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for List<'_> {
    type SqlType = (Nullable<Columns>,);
}

impl QueryFragment<Pg> for List<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.asking.push(&mut out)?;
        out.push_sql(
            "SELECT page.* FROM asking LEFT JOIN LATERAL (\
             SELECT id, email, role, status, epoch, created_at FROM users WHERE true",
        );
        self.push_filter(&mut out);
        self.push_search(&mut out)?;
        self.push_after(&mut out)?;
        let (inside, outside) = self.order();
        out.push_sql(" ORDER BY ");
        out.push_sql(inside);
        out.push_sql(" LIMIT ");
        out.push_bind_param::<Int8, _>(&self.limit)?;
        out.push_sql(") AS page ON true WHERE asking.role = 'ADMIN' ORDER BY ");
        out.push_sql(outside);
        Ok(())
    }
}

const DOMAIN: &str = "split_part(email, '@', 2) COLLATE \"C\"";

impl List<'_> {
    /// Words and no parameters: of these few values the indexes are made.
    fn push_filter(&self, out: &mut AstPass<'_, '_, Pg>) {
        if let Some(role) = self.filter.role {
            out.push_sql(match role {
                Role::Admin => " AND role = 'ADMIN'",
                Role::User => " AND role = 'USER'",
            });
        }
        if let Some(status) = self.filter.status {
            out.push_sql(match status {
                AccountStatus::Active => " AND status = 'active'",
                AccountStatus::Disabled => " AND status = 'disabled'",
            });
        }
    }

    fn push_search<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let (column, beginning) = match &self.filter.search {
            None => return Ok(()),
            Some(Search::Id(id)) => {
                out.push_sql(" AND id = ");
                return out.push_bind_param::<SqlUuid, _>(&id.0);
            }
            Some(Search::Address(beginning)) => ("email COLLATE \"C\"", beginning),
            Some(Search::Domain(beginning)) => (DOMAIN, beginning),
        };
        for (operator, bound) in [(" >= ", beginning), (" < ", &self.end)] {
            out.push_sql(" AND ");
            out.push_sql(column);
            out.push_sql(operator);
            out.push_bind_param::<Text, _>(bound)?;
        }
        Ok(())
    }

    fn push_after<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self.after {
            None => Ok(()),
            Some(Position::Id(id)) => {
                out.push_sql(" AND id < ");
                out.push_bind_param::<SqlUuid, _>(&id.0)
            }
            Some(Position::Address(address)) => {
                let by_domain = matches!(self.filter.search, Some(Search::Domain(_)));
                out.push_sql(if by_domain {
                    " AND (split_part(email, '@', 2) COLLATE \"C\", email COLLATE \"C\") > (split_part("
                } else {
                    " AND email COLLATE \"C\" > ("
                });
                out.push_bind_param::<Text, _>(address)?;
                if by_domain {
                    out.push_sql(", '@', 2), ");
                    out.push_bind_param::<Text, _>(address)?;
                }
                out.push_sql(")");
                Ok(())
            }
        }
    }

    /// The order of the index that is read; `asking` has the same columns, so the table has to be named.
    const fn order(&self) -> (&'static str, &'static str) {
        match self.filter.search {
            None | Some(Search::Id(_)) => ("id DESC", "page.id DESC"),
            Some(Search::Address(_)) => ("email COLLATE \"C\"", "page.email COLLATE \"C\""),
            Some(Search::Domain(_)) => (
                "split_part(email, '@', 2) COLLATE \"C\", email COLLATE \"C\"",
                "split_part(page.email, '@', 2) COLLATE \"C\", page.email COLLATE \"C\"",
            ),
        }
    }
}

/// Up to `limit` accounts after a position.
///
/// # Errors
/// [`NotDone::NotAsked`], or the database is away.
pub async fn list_accounts(
    db: &Database,
    mandate: &Mandate<'_>,
    filter: &AccountFilter,
    after: Option<&Position>,
    limit: i64,
) -> Result<Vec<User>, NotDone> {
    let end = filter.search.as_ref().map(Search::end).unwrap_or_default();
    let statement = List { asking: Asking::new(mandate), filter, after, limit, end };
    let rows: Vec<(Option<User>,)> = db.run(async |connection| statement.load(connection).await).await?;
    if rows.is_empty() {
        Err(NotDone::NotAsked)
    } else {
        Ok(rows.into_iter().filter_map(|(user,)| user).collect())
    }
}
