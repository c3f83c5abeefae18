//! Following the feed, in the background and for ever: one replica of the auth service after the other, each from
//! where the one before broke off.
//!
//! Whatever cannot be read ends the connection, so that the part in question is sent again; it is never left out.
//! What was read before counts all the same.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use http::{HeaderValue, StatusCode, Uri};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep, sleep_until};

use super::Full;
use super::entry::{Entry, Garbled, Revoked};
use super::event_stream::{Event, EventStream, EventStreamError};
use super::freshness::SILENCE;
use super::subscription::{Open, Subscription};
use crate::tokens::Tokens;
use crate::upstream::ConnectError;

/// After a failure: soon again, then less soon, but always well within [`SILENCE`].
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(2);
/// For a whole first set, which may be large and must still come to an end.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(60);
/// How often the dead are swept out; also the pause after there was no room.
const SWEEP: Duration = Duration::from_secs(30);
/// Far more than a database's identity and a transaction number need.
const LONGEST_CURSOR: usize = 256;
const REVOCATION: &str = "revocation";
/// Failures in a row that are logged quietly after one that is not.
const QUIET: u32 = 15;

/// Why the feed broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    /// No connection.
    #[error("cannot reach the feed's server")]
    Connect(#[from] ConnectError),
    /// The connection broke.
    #[error("the feed broke off")]
    Exchange(#[from] hyper::Error),
    /// No answer.
    #[error("the feed's server does not answer")]
    NoAnswer,
    /// Another answer than wanted; 401 is a wrong `IDENTITY_KEY` on one side.
    #[error("the feed's server answers {0}")]
    Status(StatusCode),
    /// An answer that is no event stream.
    #[error("what the server answers is no event stream")]
    NoFeed,
    /// The other side ended the stream, as it does when it stops.
    #[error("the feed's server ended the stream")]
    Ended,
    /// The server does not claim to know, or says nothing at all.
    #[error("no heartbeat came for {SILENCE:?}")]
    Silent,
    /// The first set did not come to an end.
    #[error("the first set was not complete within {SNAPSHOT_LIMIT:?}")]
    Endless,
    /// Bytes that are no events.
    #[error(transparent)]
    EventStream(#[from] EventStreamError),
    /// An event that makes no sense.
    #[error(transparent)]
    Garbled(#[from] Garbled),
    /// An id that cannot be sent back.
    #[error("an event's id cannot be sent in a header")]
    Cursor,
    /// Too much.
    #[error(transparent)]
    Full(#[from] Full),
}

/// Follows the feed until it is dropped.
pub async fn follow(tokens: Arc<Tokens>, subscription: Subscription) {
    let mut cursor = None;
    let mut pause = FIRST_RETRY;
    let mut failures = 0;
    for source in subscription.sources.iter().cycle() {
        let opened = subscription.subscriber.open(source, cursor.as_ref(), unix_now()).await;
        let mut reader = Reader::new(&tokens, &mut cursor);
        let error = match opened {
            Ok(open) => reader.read(open).await,
            Err(error) => error,
        };
        // One that breaks as soon as it is complete must not be asked ten times a second.
        if reader.complete && reader.began.elapsed() >= LAST_RETRY {
            (pause, failures) = (FIRST_RETRY, 0);
        }
        tokens.revocations().interrupted();
        tell(source.uri(), &error, failures);
        failures += 1;
        if let FeedError::Full(_) = error {
            tokens.revocations().overflow(true);
            // What was left out must come again, when there may be room.
            cursor = None;
            pause = SWEEP;
        }
        sleep(at_random_within(pause)).await;
        pause = (pause * 2).min(LAST_RETRY);
    }
}

/// Sweeps out what is dead until it is dropped, also while there is no feed.
pub async fn sweep(tokens: Arc<Tokens>) {
    loop {
        sleep(SWEEP).await;
        tokens.forget_dead(unix_now());
    }
}

/// What is known of the connection under way.
struct Reader<'a> {
    tokens: &'a Tokens,
    /// The id until which everything was taken in.
    cursor: &'a mut Option<HeaderValue>,
    stream: EventStream,
    /// Whether everything is known that the server knew when it was asked.
    complete: bool,
    began: Instant,
    heard: Instant,
}

impl<'a> Reader<'a> {
    fn new(tokens: &'a Tokens, cursor: &'a mut Option<HeaderValue>) -> Self {
        let now = Instant::now();
        Self { tokens, cursor, stream: EventStream::default(), complete: false, began: now, heard: now }
    }

    /// Reads until something goes wrong, as it does in the end.
    async fn read(&mut self, mut open: Open) -> FeedError {
        let mut overdue = pin!(sleep_until(self.deadline()));
        loop {
            let frame = tokio::select! {
                biased;
                frame = open.body.frame() => frame,
                () = overdue.as_mut() => return self.overdue(),
            };
            let read = match frame {
                None => Err(FeedError::Ended),
                Some(Err(error)) => Err(error.into()),
                Some(Ok(frame)) => frame.data_ref().map_or(Ok(()), |bytes| self.take(bytes)),
            };
            if let Err(error) = read {
                return error;
            }
            overdue.as_mut().reset(self.deadline());
        }
    }

    fn deadline(&self) -> Instant {
        let silent = self.heard + SILENCE;
        if self.complete { silent } else { silent.min(self.began + SNAPSHOT_LIMIT) }
    }

    fn overdue(&self) -> FeedError {
        if self.heard.elapsed() >= SILENCE { FeedError::Silent } else { FeedError::Endless }
    }

    /// Takes in what came, up to the first mistake in it.
    fn take(&mut self, bytes: &[u8]) -> Result<(), FeedError> {
        let mut events = Vec::new();
        let parsed = self.stream.push(bytes, &mut events);
        let now = unix_now();
        let taken = events.iter().try_for_each(|event| self.event(event, now));
        if events.iter().any(|event| event.name == REVOCATION) {
            self.tokens.revocations().changed();
        }
        taken?;
        Ok(parsed?)
    }

    fn event(&mut self, event: &Event, now: i64) -> Result<(), FeedError> {
        match event.name.as_str() {
            REVOCATION => {
                self.revocation(&event.data, now)?;
                if !self.complete {
                    self.heard = Instant::now();
                }
            }
            "snapshot" => {
                self.complete = true;
                self.tokens.revocations().overflow(false);
                self.heard();
            }
            "heartbeat" if self.complete => self.heard(),
            // Of a later version.
            _ => {}
        }
        if !event.id.is_empty() {
            *self.cursor = Some(cursor(&event.id)?);
        }
        Ok(())
    }

    /// Only the events that make a claim about the database count; entries come from memory too.
    fn heard(&mut self) {
        self.heard = Instant::now();
        self.tokens.revocations().heard();
    }

    fn revocation(&self, data: &str, now: i64) -> Result<(), FeedError> {
        let entry = Entry::parse(data)?;
        self.tokens.revocations().take(&entry, now)?;
        match &entry.revoked {
            Revoked::Key { kid } if entry.until() > now => self.tokens.revoke_key(kid, entry.until())?,
            Revoked::Unknown => tracing::error!(data, "a revocation that only a newer gateway understands"),
            _ => {}
        }
        Ok(())
    }
}

fn cursor(id: &str) -> Result<HeaderValue, FeedError> {
    let value = HeaderValue::from_str(id).ok().filter(|_| id.len() <= LONGEST_CURSOR);
    value.ok_or(FeedError::Cursor)
}

/// The gateways that lost the same server do not come back as one.
fn at_random_within(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness the pause is merely not random.
    let _ = rand::fill(&mut byte);
    pause / 2 + pause * u32::from(byte[0]) / 512
}

/// The first failure, and then one of several.
fn tell(uri: &Uri, error: &FeedError, failures: u32) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    if failures.is_multiple_of(QUIET) {
        tracing::warn!(%uri, %error, cause, "the feed of revocations is interrupted");
    } else {
        tracing::debug!(%uri, %error, cause, "the feed of revocations is interrupted");
    }
}

fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
