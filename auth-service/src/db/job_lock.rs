//! One replica at a time: an advisory lock, held by a connection of its own.

use std::time::Duration;

use database::{ConnectError, Url};
use diesel::sql_types::Int4;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::time::timeout;

/// Ours among the locks with two numbers: "port".
const CLASS: i32 = 0x706f_7274;
/// A server that takes connections and does nothing with them is tried again later.
const PATIENCE: Duration = Duration::from_secs(5);

/// What only one replica does at a time. The number is the lock's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Taking away what is over.
    Purge = 1,
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// Takes an advisory lock of the session, unless somebody has it.
    fn pg_try_advisory_lock(class: Int4, number: Int4) -> diesel::sql_types::Bool;
}

/// Why it is not known who has the lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The server cannot be reached, or refused.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The statement failed.
    #[error("the lock cannot be asked for")]
    Statement(#[from] diesel::result::Error),
    /// It does not answer.
    #[error("no answer from the database within {} s", PATIENCE.as_secs())]
    Silent,
}

/// The lock, and the connection that holds it. The work is done on that connection: when it breaks, both are over.
pub struct JobLock {
    pub(super) connection: AsyncPgConnection,
}

impl JobLock {
    /// Takes the lock; `None` when another replica has it. It takes a connection to the server itself, because a pooler
    /// would give the session that has the lock to somebody else.
    ///
    /// # Errors
    /// [`LockError`]
    pub async fn try_take(url: &Url, job: Job) -> Result<Option<Self>, LockError> {
        let taking = async {
            let mut connection = database::connect(url).await?;
            let ask = diesel::select(pg_try_advisory_lock(CLASS, job as i32));
            let is_ours: bool = ask.get_result(&mut connection).await?;
            Ok(is_ours.then_some(Self { connection }))
        };
        timeout(PATIENCE, taking).await.unwrap_or(Err(LockError::Silent))
    }
}
