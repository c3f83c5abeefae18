//! Taking away, in small batches, what nobody will ask for again.

use std::time::Duration;

use database::{Database, Error};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Interval};
use diesel_async::RunQueryDsl;

use super::job_lock::JobLock;
use super::statement::interval;

/// Rows that one statement takes away. It holds their locks for some ten milliseconds.
pub const BATCH: usize = 1_000;

/// What is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// Sessions, ended or not, after their absolute expiry.
    Sessions,
    /// Revocations after the last token that they concern.
    Revocations,
    /// Audit events older than the retention.
    AuditEvents,
    /// Counts of attempts that mean nothing any more.
    Throttles,
    /// Addresses from which an account has not been logged in for long.
    LoginAddresses,
    /// Tokens of links that are too old.
    MailTokens,
    /// Mails that were sent or given up, a week later.
    Mails,
}

#[derive(QueryableByName)]
struct Lag {
    #[diesel(sql_type = Double)]
    seconds: f64,
}

impl Expired {
    /// All of it.
    pub const ALL: [Self; 7] = [
        Self::Sessions,
        Self::Revocations,
        Self::AuditEvents,
        Self::Throttles,
        Self::LoginAddresses,
        Self::MailTokens,
        Self::Mails,
    ];

    /// The table's name.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Revocations => "revocations",
            Self::AuditEvents => "audit_events",
            Self::Throttles => "throttles",
            Self::LoginAddresses => "login_addresses",
            Self::MailTokens => "mail_tokens",
            Self::Mails => "outbox",
        }
    }

    /// `$1` is how long a row outlives the time in its column, `$2` how many rows at most.
    const fn delete(self) -> &'static str {
        match self {
            Self::Sessions => {
                "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < now() - $1 \
                 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::Revocations => {
                "DELETE FROM revocations WHERE id IN (SELECT id FROM revocations WHERE expires_at < now() - $1 \
                 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::MailTokens => {
                "DELETE FROM mail_tokens WHERE (user_id, purpose) IN (SELECT user_id, purpose FROM mail_tokens \
                 WHERE expires_at < now() - $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::Mails => {
                // Also what nobody has sent, because mail was turned off.
                "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE settled_at < now() - $1 \
                 OR settled_at IS NULL AND due_at < now() - $1 AND expires_at < now() - $1 \
                 LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            // Ids are UUIDv7, so the oldest rows are the first in the primary key: `at` needs no index.
            Self::AuditEvents => {
                "DELETE FROM audit_events WHERE id IN (SELECT id FROM \
                 (SELECT id, at FROM audit_events ORDER BY id LIMIT $2) AS oldest WHERE at < now() - $1)"
            }
            Self::Throttles => {
                "DELETE FROM throttles WHERE key IN (SELECT key FROM throttles WHERE expires_at < now() - $1 \
                 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::LoginAddresses => {
                "DELETE FROM login_addresses WHERE (user_id, address) IN \
                 (SELECT user_id, address FROM login_addresses WHERE last_used_at < now() - $1 \
                 ORDER BY last_used_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
        }
    }

    const fn lag(self) -> &'static str {
        match self {
            Self::Sessions => {
                "SELECT coalesce(extract(epoch FROM now() - $1 - min(expires_at)), 0)::float8 AS seconds \
                 FROM sessions WHERE expires_at < now() - $1"
            }
            Self::Revocations => {
                "SELECT coalesce(extract(epoch FROM now() - $1 - min(expires_at)), 0)::float8 AS seconds \
                 FROM revocations WHERE expires_at < now() - $1"
            }
            Self::MailTokens => {
                "SELECT coalesce(extract(epoch FROM now() - $1 - min(expires_at)), 0)::float8 AS seconds \
                 FROM mail_tokens WHERE expires_at < now() - $1"
            }
            Self::Mails => {
                "SELECT coalesce(extract(epoch FROM now() - $1 - min(settled_at)), 0)::float8 AS seconds \
                 FROM outbox WHERE settled_at < now() - $1"
            }
            Self::AuditEvents => {
                "SELECT coalesce(max(greatest(extract(epoch FROM now() - $1 - at), 0)), 0)::float8 AS seconds \
                 FROM (SELECT at FROM audit_events ORDER BY id LIMIT 1) AS oldest"
            }
            Self::Throttles => {
                "SELECT coalesce(extract(epoch FROM now() - $1 - min(expires_at)), 0)::float8 AS seconds \
                 FROM throttles WHERE expires_at < now() - $1"
            }
            Self::LoginAddresses => {
                "SELECT coalesce(extract(epoch FROM now() - $1 - min(last_used_at)), 0)::float8 AS seconds \
                 FROM login_addresses WHERE last_used_at < now() - $1"
            }
        }
    }

    /// Takes one batch away and says how many rows that was: fewer than [`BATCH`] when nothing more is there.
    ///
    /// # Errors
    /// The statement failed, or the connection that holds the lock did.
    pub async fn remove_batch(self, lock: &mut JobLock, keep: Duration) -> QueryResult<usize> {
        diesel::sql_query(self.delete())
            .bind::<Interval, _>(interval(keep))
            .bind::<BigInt, _>(i64::try_from(BATCH).unwrap_or(i64::MAX))
            .execute(&mut lock.connection)
            .await
    }

    /// For how long the oldest of them should have been away already, in seconds.
    ///
    /// # Errors
    /// [`Error`] when the database is away or fails.
    pub async fn lag_seconds(self, db: &Database, keep: Duration) -> Result<f64, Error> {
        let ask = diesel::sql_query(self.lag()).bind::<Interval, _>(interval(keep));
        let lag: Lag = db.run(async |connection| ask.get_result(connection).await).await?;
        Ok(lag.seconds)
    }
}
