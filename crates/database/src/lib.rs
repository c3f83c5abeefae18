//! PostgreSQL for our services: connections over TLS, a pool with deadlines, migrations, and the one question
//! that a handler asks of an error: is the database away (503), or are we wrong (500)?
//!
//! Knows no table. Every statement of a request goes through [`Database::hot`], if it stands alone and is asked often, or
//! through [`Database::run`].

mod connect;
mod error;
pub mod migrations;
mod pipelines;
mod url;

use std::sync::Arc;
use std::time::Duration;

use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, PoolableConnection as _, RecyclingMethod,
};
use tokio::time::{Instant, timeout_at};

use pipelines::Pipelines;

pub use connect::{ConnectError, connect};
pub use error::Error;
pub use url::{Url, UrlError};

/// How long one unit of database work may take, from waiting for a connection to the last row. A stopped
/// database is answered with 503 within a second.
pub const DEADLINE: Duration = Duration::from_millis(900);

/// A pool of connections to one database.
#[derive(Clone)]
pub struct Database {
    pool: Pool<AsyncPgConnection>,
    pipelines: Arc<Pipelines>,
    deadline: Duration,
}

/// Connections in use and at hand, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    /// The most connections there may be.
    pub max_size: usize,
    /// Connections that exist.
    pub size: usize,
    /// Connections that nobody uses.
    pub available: usize,
    /// Callers that wait for one.
    pub waiting: usize,
    /// Connections beside the pool that many use at once.
    pub shared: usize,
}

impl Database {
    /// A pool of at most `max_size` connections, and beside it at most as many, but never more than four, for
    /// [`Database::hot`]. They are opened when they are needed; the database is not touched yet.
    ///
    /// # Errors
    /// The TLS roots named by the URL cannot be read.
    pub fn new(url: &Url, max_size: usize) -> Result<Self, ConnectError> {
        let connector = connect::Connector::new(url)?;
        let pipelines = Arc::new(Pipelines::new(connector.clone(), max_size));
        let mut config = ManagerConfig::default();
        // The default sends a query before each use, which doubles the cost of a refresh. A dead connection
        // shows as closed, and one that hangs is caught by the deadline.
        config.recycling_method = RecyclingMethod::Fast;
        config.custom_setup = Box::new(move |_| {
            let connector = connector.clone();
            Box::pin(async move { connector.connect().await.map_err(ConnectError::into_diesel) })
        });
        let manager = AsyncDieselConnectionManager::new_with_config(String::new(), config);
        let pool = Pool::builder(manager).max_size(max_size.max(1)).build().map_err(ConnectError::pool)?;
        Ok(Self { pool, pipelines, deadline: DEADLINE })
    }

    /// The same pool with another limit on a unit of work, for commands that no client waits for.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long a unit of work may take.
    #[must_use]
    pub const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Runs one unit of work on a connection, within the deadline.
    ///
    /// A connection whose work was cut off is closed rather than reused: what the server still does on it is
    /// nobody's business any more.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no connection could be had, the connection broke, or time ran out; the
    /// work's own error otherwise.
    pub async fn run<T, F>(&self, work: F) -> Result<T, Error>
    where
        F: AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, diesel::result::Error>,
    {
        let deadline = Instant::now() + self.deadline;
        let mut connection = match timeout_at(deadline, self.pool.get()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(Error::unavailable(error)),
            Err(_) => return Err(Error::out_of_time("waiting for a connection")),
        };
        match timeout_at(deadline, work(&mut connection)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let error = Error::classify(error, connection.is_broken());
                if matches!(error, Error::Unavailable(_)) {
                    // It may not show as closed yet, and the next caller must not be the one to find out.
                    drop(Object::take(connection));
                }
                Err(error)
            }
            Err(_) => {
                drop(Object::take(connection));
                Err(Error::out_of_time("waiting for an answer"))
            }
        }
    }

    /// Runs one statement on a connection that others use at the same time, within the deadline.
    ///
    /// It costs both sides less than [`Database::run`]. The statement stands alone, is one that diesel prepares once, and
    /// never waits for anything but rows: whoever is behind it on the connection waits too. The type keeps
    /// transactions out.
    ///
    /// A caller that goes away takes nobody along: its answer is read and dropped. A connection on which somebody ran out
    /// of time gets no new callers.
    ///
    /// # Errors
    /// As [`Database::run`].
    pub async fn hot<T, F>(&self, statement: F) -> Result<T, Error>
    where
        F: AsyncFnOnce(&mut &AsyncPgConnection) -> Result<T, diesel::result::Error>,
    {
        let deadline = Instant::now() + self.deadline;
        let pipeline = match timeout_at(deadline, self.pipelines.take()).await {
            Ok(Ok(pipeline)) => pipeline,
            Ok(Err(error)) => return Err(Error::unavailable(error)),
            Err(_) => return Err(Error::out_of_time("waiting for a connection")),
        };
        let outcome = match timeout_at(deadline, statement(&mut &pipeline.connection)).await {
            Ok(outcome) => outcome.map_err(|error| Error::classify(error, pipeline.is_closed())),
            Err(_) => Err(Error::out_of_time("waiting for an answer")),
        };
        if matches!(outcome, Err(Error::Unavailable(_))) {
            self.pipelines.retire(&pipeline);
        }
        outcome
    }

    /// How the pool stands.
    pub fn status(&self) -> PoolStatus {
        let status = self.pool.status();
        PoolStatus {
            max_size: status.max_size,
            size: status.size,
            available: status.available,
            waiting: status.waiting,
            shared: self.pipelines.count(),
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("status", &self.status()).finish_non_exhaustive()
    }
}
