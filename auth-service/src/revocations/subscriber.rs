//! One subscriber: everything it lacks, then everything that happens, for as long as it keeps up.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::events;
use super::feed::{BATCH, Feed, Message, Subscription};

/// A subscriber that takes nothing for so long is cut off; it comes back with its cursor.
const PATIENCE: Duration = Duration::from_secs(10);

/// It did not keep up.
#[derive(Debug, Clone, Copy)]
struct TooSlow;

impl Subscription {
    /// Writes to `out` until the subscriber has gone, is too slow, or the feed drains.
    ///
    /// It runs beside the connection, not on it: a connection that takes nothing more would never ask again.
    pub async fn serve(self, feed: &Feed, out: mpsc::Sender<Bytes>) {
        let gone = out.clone();
        let outcome = tokio::select! {
            biased;
            () = feed.drained() => Ok(()),
            () = gone.closed() => Ok(()),
            outcome = self.write(&out) => outcome,
        };
        if outcome.is_err() {
            feed.count_cut();
            tracing::warn!("a subscriber of the revocation feed did not keep up and was cut off");
        }
    }

    async fn write(mut self, out: &mpsc::Sender<Bytes>) -> Result<(), TooSlow> {
        send(out, events::OPENING).await?;
        let first = std::mem::take(&mut self.first);
        for batch in first.chunks(BATCH) {
            send(out, events::revocations(batch, None)).await?;
        }
        drop(first);
        let mut is_complete = false;
        if let Some(beat) = self.beat {
            send(out, beat.snapshot()).await?;
            is_complete = true;
        }
        loop {
            let text = match self.messages.recv().await {
                Ok(Message::Entries(text)) => text,
                Ok(Message::Beat(beat)) if is_complete => beat.heartbeat(),
                Ok(Message::Beat(beat)) => {
                    is_complete = true;
                    beat.snapshot()
                }
                Ok(Message::Silence) => events::SILENCE,
                Err(RecvError::Lagged(_)) => return Err(TooSlow),
                Err(RecvError::Closed) => return Ok(()),
            };
            send(out, text).await?;
        }
    }
}

async fn send(out: &mpsc::Sender<Bytes>, text: Bytes) -> Result<(), TooSlow> {
    match timeout(PATIENCE, out.send(text)).await {
        // A closed channel ends the subscriber elsewhere.
        Ok(_) => Ok(()),
        Err(_) => Err(TooSlow),
    }
}
