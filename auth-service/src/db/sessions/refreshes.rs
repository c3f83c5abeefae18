//! Refreshes that arrive while others are on their way to the database go there together.
//!
//! While one statement is under way, who comes waits, and goes with the next. Alone, nobody waits for anything. The more
//! there is to do, the more are sent at once, and the less each of them costs the server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use database::{Database, Error};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::refresh::{Refreshed, refresh};
use super::rotate_many::{Asked, rotate_many};
use crate::sessions::{Device, SessionPolicy};
use crate::tokens::refresh_token::RefreshToken;

/// The most tokens in one statement.
const MOST: usize = 64;
/// How many statements may be under way. There is a second one only when so many wait that they fill it: few large ones cost
/// less than many small ones, and one that has to wait for a row does not stop the rest.
const AT_ONCE: usize = 4;

/// See the module. A process has one.
#[derive(Debug)]
pub struct Refreshes {
    db: Database,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    askers: Vec<Asker>,
    /// How many [`Turn`]s there are.
    under_way: usize,
}

impl Waiting {
    fn wants_a_turn(&self) -> bool {
        self.under_way == 0 || self.under_way < AT_ONCE && self.askers.len() >= MOST
    }
}

#[derive(Debug)]
struct Asker {
    asked: Asked,
    policy: SessionPolicy,
    answer: oneshot::Sender<Answer>,
}

#[derive(Debug)]
enum Answer {
    Told(Result<Refreshed, Error>),
    /// Nothing was done about this token; it has to be asked about by itself.
    Alone,
}

/// No answer in time, or the task that would have brought it is gone.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no answer to a refresh that was sent with others")]
struct Unanswered;

impl Refreshes {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Self { db, waiting: Mutex::default() }
    }

    /// Presents a token that verified. A session that is not there has ended: only dead ones are purged.
    ///
    /// A caller that goes away before its token has been sent is forgotten; after that, the statement is carried out.
    ///
    /// # Errors
    /// [`Error`] when the database is away or fails.
    pub async fn refresh(
        self: &Arc<Self>,
        token: &RefreshToken,
        device: &Device,
        policy: &SessionPolicy,
    ) -> Result<Refreshed, Error> {
        let asked = Asked { token: *token, device: device.clone() };
        match timeout(self.db.deadline(), self.ask(asked, *policy)).await {
            Ok(Ok(Answer::Told(told))) => told,
            Ok(Ok(Answer::Alone)) => refresh(&self.db, token, device, policy).await,
            Ok(Err(_)) | Err(_) => Err(Error::Unavailable(Box::new(Unanswered))),
        }
    }

    fn ask(self: &Arc<Self>, asked: Asked, policy: SessionPolicy) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.waiting();
        waiting.askers.push(Asker { asked, policy, answer });
        if waiting.wants_a_turn() {
            waiting.under_way += 1;
            tokio::spawn(Turn { of: Arc::clone(self), over: false }.run());
        }
        answered
    }

    async fn present(&self, askers: Vec<Asker>) {
        match <[Asker; 1]>::try_from(askers) {
            Ok([Asker { asked: Asked { token, device }, policy, answer }]) => {
                let told = refresh(&self.db, &token, &device, &policy).await;
                // Whoever has gone away wants no answer.
                let _ = answer.send(Answer::Told(told));
            }
            Err(askers) => self.present_many(askers).await,
        }
    }

    async fn present_many(&self, askers: Vec<Asker>) {
        // From one request to the next it differs only in what a rotation does not look at.
        let Some(policy) = askers.first().map(|asker| asker.policy) else { return };
        let asked: Vec<&Asked> = askers.iter().map(|asker| &asker.asked).collect();
        let rotated = self.db.hot(async |connection| rotate_many(connection, &asked, &policy).await).await;
        let mut answer: Box<dyn FnMut(&Asker) -> Answer + Send> = match rotated {
            Ok(mut rotated) => Box::new(move |asker| {
                let refreshed = rotated.remove(&asker.asked.token.session_id);
                refreshed.map_or(Answer::Alone, |refreshed| Answer::Told(Ok(refreshed)))
            }),
            // All of it was undone, and only one of them may be to blame.
            Err(Error::Statement(_)) => Box::new(|_| Answer::Alone),
            Err(Error::Unavailable(error)) => {
                let error: Arc<dyn std::error::Error + Send + Sync> = error.into();
                Box::new(move |_| Answer::Told(Err(Error::Unavailable(Box::new(Shared(Arc::clone(&error)))))))
            }
        };
        for asker in askers {
            let answer = answer(&asker);
            let _ = asker.answer.send(answer);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One statement after the other, until nobody waits.
struct Turn {
    of: Arc<Refreshes>,
    over: bool,
}

impl Turn {
    async fn run(mut self) {
        while let Some(askers) = self.next() {
            self.of.present(askers).await;
        }
    }

    /// Those who go next: each session once, in the order of their ids. A second token of the same session asks alone.
    fn next(&mut self) -> Option<Vec<Asker>> {
        let mut waiting = self.of.waiting();
        if waiting.askers.is_empty() {
            waiting.under_way -= 1;
            self.over = true;
            return None;
        }
        let count = waiting.askers.len().min(MOST);
        let mut askers: Vec<_> = waiting.askers.drain(..count).collect();
        drop(waiting);
        askers.retain(|asker| !asker.answer.is_closed());
        askers.sort_by_key(|asker| asker.asked.token.session_id);
        let (mut first, mut last) = (Vec::with_capacity(askers.len()), None);
        for asker in askers {
            if last.replace(asker.asked.token.session_id) == Some(asker.asked.token.session_id) {
                let _ = asker.answer.send(Answer::Alone);
            } else {
                first.push(asker);
            }
        }
        Some(first)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.over {
            // A fault of ours, or the process ends: nobody would come back for those who wait.
            let mut waiting = self.of.waiting();
            waiting.under_way -= 1;
            waiting.askers.clear();
        }
    }
}

/// What went wrong for all of them.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Shared(Arc<dyn std::error::Error + Send + Sync>);
