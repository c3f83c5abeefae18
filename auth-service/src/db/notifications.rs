//! NOTIFY and LISTEN: how replicas tell each other to look. A hint and no more, because one may be lost.

use std::pin::pin;
use std::time::Duration;

use database::{ConnectError, Database, Error, Url};
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::StreamExt as _;
use tokio::time::timeout;
use uuid::Uuid;

/// The channel that says that `revocations` has new rows. The payload is the sender.
const CHANNEL: &str = "portcullis_revocations";
/// A server that takes connections and does nothing with them is tried again.
const PATIENCE: Duration = Duration::from_secs(5);

#[diesel::declare_sql_function]
extern "SQL" {
    /// NOTIFY as a function, which takes parameters.
    fn pg_notify(channel: Text, payload: Text) -> Text;
}

/// Who notifies, so that nobody listens to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replica(Uuid);

impl Replica {
    /// One unlike all others.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for Replica {
    fn default() -> Self {
        Self::new()
    }
}

/// Why nobody listens.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The server cannot be reached, or refused.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// LISTEN failed.
    #[error("LISTEN failed")]
    Listen(#[from] diesel::result::Error),
    /// It does not answer.
    #[error("no answer from the database within {} s", PATIENCE.as_secs())]
    Silent,
}

/// Tells the other replicas that there is something to read. In a transaction of its own, after the one that wrote it:
/// PostgreSQL lets transactions that notify commit only one after the other.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn notify(db: &Database, from: Replica) -> Result<(), Error> {
    let statement = diesel::select(pg_notify(CHANNEL, from.0.to_string()));
    // The answer, a void, is nothing that could be read.
    db.run(async |connection| statement.execute(connection).await).await.map(|_rows| ())
}

/// A connection that does nothing but listen.
pub struct Listener {
    connection: AsyncPgConnection,
    own: Replica,
}

impl Listener {
    /// Listens from now on, on a connection to the server itself: what is between would not pass notifications on.
    ///
    /// # Errors
    /// [`ListenError`]
    pub async fn start(url: &Url, own: Replica) -> Result<Self, ListenError> {
        let starting = async {
            let mut connection = database::connect(url).await?;
            diesel::sql_query(format!("LISTEN {CHANNEL}")).execute(&mut connection).await?;
            Ok(Self { connection, own })
        };
        timeout(PATIENCE, starting).await.unwrap_or(Err(ListenError::Silent))
    }

    /// Waits for another replica; `None` once the connection has ended.
    pub async fn heard(&mut self) -> Option<()> {
        let own = self.own.0.to_string();
        let mut notifications = pin!(self.connection.notifications_stream());
        loop {
            match notifications.next().await? {
                Ok(notification) if notification.payload == own => {}
                Ok(_) => return Some(()),
                Err(_) => return None,
            }
        }
    }
}
