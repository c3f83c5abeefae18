//! One subscriber: everything it lacks, then everything that happens, for as long as it keeps up.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::timeout;

use super::cursor::Cursor;
use super::events;
use super::feed::{BATCH, Feed, Message, Start, Subscription};

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
            outcome = write(feed, self.cursor, &out) => outcome,
        };
        if outcome.is_err() {
            feed.count_cut();
            tracing::warn!("a subscriber of the revocation feed did not keep up and was cut off");
        }
    }
}

async fn write(feed: &Feed, cursor: Option<Cursor>, out: &mpsc::Sender<Bytes>) -> Result<(), TooSlow> {
    send(out, events::OPENING).await?;
    let mut messages = write_first_set(feed, cursor, out).await?;
    let mut is_complete = messages.is_complete;
    loop {
        let text = match messages.later.recv().await {
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

/// What follows the first set.
struct Messages {
    later: broadcast::Receiver<Message>,
    is_complete: bool,
}

async fn write_first_set(
    feed: &Feed,
    cursor: Option<Cursor>,
    out: &mpsc::Sender<Bytes>,
) -> Result<Messages, TooSlow> {
    // Nobody closes the semaphore, and without the permit it would only cost memory.
    let _turn = feed.first_sets.acquire().await;
    let Start { first, beat, messages: later } = feed.start(cursor, Instant::now());
    for batch in first.chunks(BATCH) {
        send(out, events::revocations(batch, None)).await?;
    }
    if let Some(beat) = beat {
        send(out, beat.snapshot()).await?;
    }
    Ok(Messages { later, is_complete: beat.is_some() })
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

    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;
    use crate::revocations::feed::News;
    use crate::revocations::{Incarnation, Revocation, Subject};
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
        let subscription = feed.subscribe(cursor).unwrap();
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
        let (mut stuck, mut quick) = (subscribe(&feed, None), subscribe(&feed, None));
        for _opening_and_snapshot in 0..2 {
            stuck.recv().await.unwrap();
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
        let mut text = String::new();
        while !text.contains("snapshot") {
            text.push_str(std::str::from_utf8(&stream.recv().await.unwrap()).unwrap());
        }
        feed.publish(news(9, 2), Instant::now());
        feed.publish(news(11, BATCH + 1), Instant::now());
        feed.beat(Instant::now());
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
        let feed = Arc::new(Feed::default());
        feed.publish(news(7, 1), Instant::now() - Duration::from_secs(4));
        let mut stream = subscribe(&feed, None);
        let mut pieces = vec![stream.recv().await.unwrap(), stream.recv().await.unwrap()];
        feed.beat(Instant::now());
        feed.publish(news(8, 0), Instant::now());
        for _ in 0..2 {
            pieces.push(stream.recv().await.unwrap());
        }
        assert_eq!([&pieces[0], &pieces[2]], [&events::OPENING, &events::SILENCE]);
        assert!(pieces[1].starts_with(b"event: revocation"), "entries count all the same");
        assert!(pieces[3].starts_with(b"event: snapshot"), "once it has read again");
    }

    #[tokio::test]
    async fn after_a_recovery_an_old_cursor_is_worth_nothing() {
        let feed = feed(1);
        feed.publish(news(1_000, 0), Instant::now());
        let cursor = Cursor { incarnation: INCARNATION, xmin: 1_000 };
        assert_eq!(feed.start(Some(cursor), Instant::now()).first.len(), 0);
        let incarnation = Incarnation { id: Uuid::max(), ..INCARNATION };
        feed.publish(News { incarnation, ..news(5, 1) }, Instant::now());
        assert_eq!(feed.start(Some(cursor), Instant::now()).first.len(), 2);
        feed.publish(News { incarnation, ..news(900, 0) }, Instant::now());
        let own = Cursor { incarnation, xmin: 900 };
        let first = feed.start(Some(own), Instant::now()).first;
        assert_eq!(first.len(), 1, "what was known before has no number any more, and is told to everybody");
    }

    #[tokio::test]
    async fn a_cursor_from_the_future_is_worth_nothing_and_a_database_that_went_back_tells_everything() {
        let feed = feed(1);
        let cursor = |xmin| Some(Cursor { incarnation: INCARNATION, xmin });
        assert_eq!(feed.start(cursor(8), Instant::now()).first.len(), 1, "ahead of the last read");
        feed.publish(news(1_000, 1), Instant::now());
        assert_eq!(feed.start(cursor(8), Instant::now()).first.len(), 1);
        assert_eq!(feed.start(cursor(1_001), Instant::now()).first.len(), 2);
        feed.publish(news(500, 1), Instant::now());
        assert_eq!(
            feed.start(cursor(400), Instant::now()).first.len(),
            3,
            "what was known has no number any more"
        );
        assert_eq!(feed.start(cursor(500), Instant::now()).first.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn first_sets_are_written_a_few_at_a_time_and_all_in_the_end() {
        let feed = feed(10 * BATCH);
        let stuck: Vec<_> = (0..20).map(|_| subscribe(&feed, None)).collect();
        until_cut(&feed, 8).await;
        assert!(feed.status(Instant::now()).subscribers <= 12);
        for stream in stuck {
            drop(stream);
        }
        let mut late = subscribe(&feed, None);
        let mut entries = 0;
        while entries < 10 * BATCH {
            let piece = late.recv().await.expect("it has its turn");
            entries += std::str::from_utf8(&piece).unwrap().matches("event: revocation").count();
        }
    }

    #[tokio::test]
    async fn a_drain_ends_every_stream() {
        let feed = feed(1);
        let stream = subscribe(&feed, None);
        feed.drain();
        rest(stream).await;
    }
}
