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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;
    use crate::revocations::feed::News;
    use crate::revocations::{Cursor, Incarnation, Revocation, Subject};
    use crate::sessions::SessionId;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const INCARNATION: Incarnation = Incarnation { id: Uuid::nil(), database: 1 };

    fn news(xmin: u64, sessions: usize) -> News {
        let entry = |_| {
            let subject = Subject::Session(SessionId::generate());
            (xmin, Revocation { subject, least_epoch: 0, expires_at: NOW + time::Duration::HOUR })
        };
        News { incarnation: INCARNATION, xmin, now: NOW, entries: (0..sessions).map(entry).collect() }
    }

    /// A feed that has read the database just now.
    fn feed(sessions: usize) -> Arc<Feed> {
        let feed = Arc::new(Feed::default());
        feed.publish(news(7, sessions), Instant::now());
        feed
    }

    fn subscribe(feed: &Arc<Feed>, cursor: Option<Cursor>) -> mpsc::Receiver<Bytes> {
        let subscription = feed.subscribe(cursor, Instant::now()).unwrap();
        let (sender, receiver) = mpsc::channel(4);
        let feed = Arc::clone(feed);
        tokio::spawn(async move { subscription.serve(&feed, sender).await });
        receiver
    }

    async fn rest(mut stream: mpsc::Receiver<Bytes>) -> String {
        let mut text = String::new();
        while let Some(piece) = stream.recv().await {
            text.push_str(std::str::from_utf8(&piece).unwrap());
        }
        text
    }

    /// Resolves when that many were cut; time passes meanwhile, as far as anybody waits for it.
    async fn until_cut(feed: &Feed, count: u64) {
        while feed.status(Instant::now()).cut < count {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_cut_and_its_place_is_free() {
        let feed = feed(10 * BATCH);
        let stuck = subscribe(&feed, None);
        until_cut(&feed, 1).await;
        assert_eq!(feed.status(Instant::now()).subscribers, 0);
        let taken = rest(stuck).await;
        assert_eq!(taken.matches("event: revocation").count(), 3 * BATCH, "what waits for it is bounded");
        assert!(!taken.contains("id:"), "so it will ask for all of it again");
    }

    #[tokio::test(start_paused = true)]
    async fn who_falls_behind_is_cut_and_who_keeps_up_is_not() {
        let feed = feed(0);
        let (stuck, mut quick) = (subscribe(&feed, None), subscribe(&feed, None));
        for _opening_and_snapshot in 0..2 {
            quick.recv().await.unwrap();
        }
        for number in 0..2_000 {
            feed.publish(news(number, 1), Instant::now());
            quick.recv().await.expect("it goes on");
        }
        until_cut(&feed, 1).await;
        assert_eq!(feed.status(Instant::now()).subscribers, 1);
        drop(stuck);
    }

    #[tokio::test]
    async fn the_cursor_stands_on_the_last_of_what_was_read_together() {
        let feed = feed(0);
        let mut stream = subscribe(&feed, None);
        feed.publish(news(9, 2), Instant::now());
        feed.publish(news(11, BATCH + 1), Instant::now());
        feed.beat(Instant::now());
        let mut text = String::new();
        while !text.contains("heartbeat") {
            text.push_str(std::str::from_utf8(&stream.recv().await.unwrap()).unwrap());
        }
        let blocks: Vec<_> = text.split_terminator("\n\n").filter(|block| !block.starts_with(':')).collect();
        let ids: Vec<_> = blocks
            .iter()
            .enumerate()
            .filter_map(|(index, block)| Some((index, block.split_once("id: ")?.1.rsplit_once('.')?.1)))
            .collect();
        assert_eq!(ids, [(0, "7"), (2, "9"), (BATCH + 3, "11"), (BATCH + 4, "11")]);
    }

    #[tokio::test]
    async fn a_feed_that_has_not_read_lately_claims_nothing() {
        let feed = feed(1);
        let stale = Instant::now() + Duration::from_secs(4);
        let subscription = feed.subscribe(None, stale).unwrap();
        let (sender, mut stream) = mpsc::channel(4);
        let served = Arc::clone(&feed);
        tokio::spawn(async move { subscription.serve(&served, sender).await });
        feed.beat(stale);
        feed.beat(Instant::now());
        let mut pieces = Vec::new();
        for _ in 0..4 {
            pieces.push(stream.recv().await.unwrap());
        }
        assert_eq!([&pieces[0], &pieces[2]], [&events::OPENING, &events::SILENCE]);
        assert!(pieces[1].starts_with(b"event: revocation"), "entries count all the same");
        assert!(pieces[3].starts_with(b"event: snapshot"), "once it has read again");
    }

    #[tokio::test]
    async fn after_a_recovery_an_old_cursor_is_worth_nothing() {
        let feed = feed(1);
        let cursor = Cursor { incarnation: INCARNATION, xmin: 1_000 };
        assert_eq!(feed.subscribe(Some(cursor), Instant::now()).unwrap().first.len(), 0);
        let incarnation = Incarnation { id: Uuid::max(), ..INCARNATION };
        feed.publish(News { incarnation, ..news(5, 1) }, Instant::now());
        assert_eq!(feed.subscribe(Some(cursor), Instant::now()).unwrap().first.len(), 2);
        let own = Cursor { incarnation, xmin: 900 };
        let first = feed.subscribe(Some(own), Instant::now()).unwrap().first;
        assert_eq!(first.len(), 1, "what was known before has no number any more, and is told to everybody");
    }

    #[tokio::test]
    async fn a_drain_ends_every_stream() {
        let feed = feed(1);
        let stream = subscribe(&feed, None);
        feed.drain();
        rest(stream).await;
    }
}
