//! How a hand-written statement takes its parameters.
//!
//! Each begins with a row called `given` that names every one of them; PostgreSQL folds it away while it plans. The
//! statement's type is its `QueryId`, so diesel prepares it once per connection.

use std::time::Duration;

use diesel::data_types::PgInterval;

/// Writes `WITH given (name, …) AS NOT MATERIALIZED (SELECT $1, …)`.
macro_rules! push_given {
    ($out:ident, $first_name:literal: $first_type:ty = $first:expr, $($name:literal: $sql_type:ty = $value:expr),* $(,)?) => {
        $out.push_sql(concat!("WITH given (", $first_name, $(", ", $name,)* ") AS NOT MATERIALIZED (SELECT "));
        $out.push_bind_param::<$first_type, _>($first)?;
        $(
            $out.push_sql(", ");
            $out.push_bind_param::<$sql_type, _>($value)?;
        )*
        $out.push_sql(") ");
    };
}

/// Says of a statement's type what it selects, and that all values of the type are one prepared statement.
///
/// (`derive(QueryId)` does not accept a type that borrows.)
macro_rules! prepared {
    ($statement:ident selects $columns:ty) => {
        impl diesel::query_builder::QueryId for $statement<'_> {
            type QueryId = $statement<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl diesel::query_builder::Query for $statement<'_> {
            type SqlType = $columns;
        }
    };
}

pub(super) use {prepared, push_given};

/// A duration as PostgreSQL adds it to a time. One of 292,000 years is cut there.
pub(super) fn interval(duration: Duration) -> PgInterval {
    PgInterval::from_microseconds(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}
