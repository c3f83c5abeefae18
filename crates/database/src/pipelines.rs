//! A few connections that many callers use at once.
//!
//! PostgreSQL answers the statements of one connection in their order, so nobody has to wait for an answer before the next
//! statement is sent: one write carries many statements, one read many answers. What is sent like this must be single
//! statements: a transaction would take its neighbours in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diesel_async::AsyncPgConnection;
use tokio::task::JoinHandle;

use crate::connect::{ConnectError, Connector};

/// The most connections of this kind. More would only be read and written in smaller pieces.
const MOST: usize = 4;
/// How many callers a connection has before another one is opened beside it.
const CROWD: usize = 2;
/// After an attempt to open one more has failed: those that there are do the work.
const GROWTH_PAUSE: Duration = Duration::from_secs(1);

/// One connection, shared. It closes when its last user has let go of it.
pub(crate) struct Pipeline {
    pub(crate) connection: AsyncPgConnection,
    driver: Driver,
}

impl Pipeline {
    pub(crate) const fn new(connection: AsyncPgConnection, driver: Driver) -> Self {
        Self { connection, driver }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.driver.0.is_finished()
    }
}

/// The task that reads and writes a connection; it ends when the connection does, and with the value.
pub(crate) struct Driver(JoinHandle<()>);

impl Driver {
    /// Drives `connection`. Why it ends, whoever waits for an answer on it is told as well.
    pub(crate) fn start<E: Send>(connection: impl Future<Output = Result<(), E>> + Send + 'static) -> Self {
        Self(tokio::spawn(async move { drop(connection.await) }))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The connections at hand.
pub(crate) struct Pipelines {
    connector: Connector,
    most: usize,
    open: Mutex<Vec<Arc<Pipeline>>>,
    /// Held by the one caller that opens the first connection, or the next after all are gone.
    opening: tokio::sync::Mutex<()>,
    growing: AtomicBool,
}

impl Pipelines {
    /// None is opened yet; there will be at most `limit`, and few in any case.
    pub(crate) fn new(connector: Connector, limit: usize) -> Self {
        Self {
            connector,
            most: limit.clamp(1, MOST),
            open: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            growing: AtomicBool::new(false),
        }
    }

    /// The connection with the fewest callers. Only when there is none at all does the caller wait for one, and only one
    /// caller at a time tries to open it.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Arc<Pipeline>, ConnectError> {
        if let Some(pipeline) = self.least_busy() {
            return Ok(pipeline);
        }
        let _turn = self.opening.lock().await;
        match self.least_busy() {
            Some(pipeline) => Ok(pipeline),
            None => self.add().await,
        }
    }

    /// No caller gets this connection any more; those that have it may still have their answers.
    pub(crate) fn retire(&self, pipeline: &Arc<Pipeline>) {
        self.open().retain(|open| !Arc::ptr_eq(open, pipeline));
    }

    /// How many connections there are.
    pub(crate) fn count(&self) -> usize {
        self.open().len()
    }

    fn least_busy(self: &Arc<Self>) -> Option<Arc<Pipeline>> {
        let mut open = self.open();
        open.retain(|pipeline| !pipeline.is_closed());
        let found = open.iter().min_by_key(|pipeline| callers(pipeline)).map(Arc::clone)?;
        if open.len() < self.most && callers(&found) > CROWD {
            self.grow();
        }
        Some(found)
    }

    /// Opens one more connection while the caller goes on with those that there are.
    fn grow(self: &Arc<Self>) {
        if self.growing.swap(true, Ordering::Relaxed) {
            return;
        }
        let pipelines = Arc::clone(self);
        tokio::spawn(async move {
            if pipelines.add().await.is_err() {
                tokio::time::sleep(GROWTH_PAUSE).await;
            }
            pipelines.growing.store(false, Ordering::Relaxed);
        });
    }

    async fn add(&self) -> Result<Arc<Pipeline>, ConnectError> {
        let pipeline = Arc::new(self.connector.pipeline().await?);
        self.open().push(Arc::clone(&pipeline));
        Ok(pipeline)
    }

    fn open(&self) -> MutexGuard<'_, Vec<Arc<Pipeline>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All but the one that keeps the list.
fn callers(pipeline: &Arc<Pipeline>) -> usize {
    Arc::strong_count(pipeline) - 1
}
