//! What is remembered of callers: a table of fixed size, made when the first limit is asked.
//!
//! A caller has eight places that it may stand in. One who is even again needs none, so places free themselves and
//! nothing is swept. When all eight are taken, the caller who would be even soonest is forgotten: it loses a count
//! that was almost paid off, while whoever asks most is remembered longest.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::Limit;

/// Enough that cores practically never meet.
const SHARDS: usize = 256;
const SETS: usize = 128;
const WAYS: usize = 8;

/// Who it is (0: nobody), and when they are even, in nanoseconds since the table's beginning.
type Place = [u64; 2];

/// See the module. 262,144 callers of all limits together, in 4 MiB.
#[derive(Debug)]
pub struct RateTable {
    shards: OnceLock<Box<[Mutex<Vec<Place>>]>>,
    /// Nobody outside can choose who shares places with whom.
    hasher: RandomState,
    beginning: Instant,
    forgotten: AtomicU64,
}

impl RateTable {
    /// Nobody is known. No request may be older than `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            shards: OnceLock::new(),
            hasher: RandomState::new(),
            beginning: now,
            forgotten: AtomicU64::new(0),
        }
    }

    /// Counts a request of a subject.
    ///
    /// # Errors
    /// It comes too soon, by this much; then it does not count.
    pub fn take(&self, limit: &Limit, subject: impl Hash, now: Instant) -> Result<(), Duration> {
        let now = u64::try_from(now.saturating_duration_since(self.beginning).as_nanos()).unwrap_or(u64::MAX);
        let who = self.hasher.hash_one((limit.id, subject)).max(1);
        let (shard, set) = (index(who, SHARDS), index(who >> 32, SETS));
        let mut shard = self.shards()[shard].lock().unwrap_or_else(PoisonError::into_inner);
        let places = &mut shard[set * WAYS..][..WAYS];
        let known = places.iter().position(|place| place[0] == who);
        let even = known.map_or(0, |at| places[at][1]);
        let next = limit.rate.decide(even, now)?;
        let at = known.unwrap_or_else(|| self.soonest_even(places, now));
        places[at] = [who, next];
        Ok(())
    }

    /// How many were forgotten before they were even.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    fn soonest_even(&self, places: &[Place], now: u64) -> usize {
        let soonest = places.iter().enumerate().min_by_key(|(_, place)| place[1]);
        let (at, even) = soonest.map_or((0, 0), |(at, place)| (at, place[1]));
        if even > now {
            self.forgotten.fetch_add(1, Ordering::Relaxed);
        }
        at
    }

    fn shards(&self) -> &[Mutex<Vec<Place>>] {
        self.shards.get_or_init(|| (0..SHARDS).map(|_| Mutex::new(vec![[0; 2]; SETS * WAYS])).collect())
    }
}

/// The low bits of a hash; `count` is a power of two.
fn index(hash: u64, count: usize) -> usize {
    usize::try_from(hash & (count as u64 - 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::Rate;
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn limit(id: u64, burst: u32) -> Limit {
        Limit { rate: Rate { requests: 1, period: MINUTE, burst }, id }
    }

    #[test]
    fn everybody_has_a_count_of_their_own_for_each_limit() {
        let now = Instant::now();
        let table = RateTable::new(now);
        let (one, other) = (limit(1, 2), limit(2, 1));
        assert!(table.take(&one, "ann", now).is_ok());
        assert!(table.take(&one, "ann", now).is_ok());
        assert_eq!(table.take(&one, "ann", now), Err(MINUTE));
        assert!(table.take(&one, "bob", now).is_ok());
        assert!(table.take(&other, "ann", now).is_ok());
        assert!(table.take(&one, "ann", now + MINUTE).is_ok());
        assert_eq!(table.forgotten(), 0);
    }

    #[test]
    fn what_is_older_than_the_table_is_no_danger() {
        let now = Instant::now();
        let table = RateTable::new(now + MINUTE);
        assert!(table.take(&limit(1, 1), "ann", now).is_ok());
        assert!(table.take(&limit(1, 1), "ann", now + MINUTE).is_err());
    }

    /// More callers than there is room for: whoever asks most stays known, and the loss is counted.
    #[test]
    fn a_flood_of_strangers_does_not_free_who_asks_most() {
        let now = Instant::now();
        let table = RateTable::new(now);
        let busy = limit(1, 100);
        for _ in 0..100 {
            table.take(&busy, "ann", now).unwrap();
        }
        for stranger in 0..(SHARDS * SETS * WAYS * 2) {
            table.take(&busy, stranger, now).unwrap();
        }
        assert!(table.take(&busy, "ann", now).is_err());
        assert!(table.forgotten() > 0);
    }

    #[test]
    fn places_of_those_who_are_even_are_used_again() {
        let now = Instant::now();
        let table = RateTable::new(now);
        for round in 0..4 {
            let now = now + MINUTE * 2 * round;
            for stranger in 0..SHARDS * SETS {
                table.take(&limit(1, 1), (round, stranger), now).unwrap();
            }
        }
        // One in eight places is taken in each round; a few sets may have had more than eight.
        assert!(table.forgotten() < 100, "{}", table.forgotten());
    }
}
