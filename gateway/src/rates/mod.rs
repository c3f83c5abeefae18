//! How often one address, user or client may ask: the generic cell rate algorithm, one number for each of them.
//!
//! Owns what is remembered of callers, for all cores and over reloads. Knows neither requests nor routes: who asks
//! names a [`Limit`] and a subject.

mod table;

use std::time::Duration;

pub use table::RateTable;

/// So many requests in a period, and how many of them may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Requests in a period, at least one.
    pub requests: u32,
    /// The period.
    pub period: Duration,
    /// How many may come at once after a silence, at least one.
    pub burst: u32,
}

/// A rate, and what tells its counts from those of other limits. The same limit in another configuration has the
/// same number, so that a reload forgets nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How often.
    pub rate: Rate,
    /// Which counts.
    pub id: u64,
}

impl Rate {
    /// Nanoseconds from one request to the next at full rate, at least one.
    fn interval(&self) -> u64 {
        let period = u64::try_from(self.period.as_nanos()).unwrap_or(u64::MAX);
        (period / u64::from(self.requests.max(1))).max(1)
    }

    /// Decides about a request at `now`, for a caller who is even at `even` (both in nanoseconds of one clock that
    /// never goes back): the time at which the caller is even after it.
    ///
    /// # Errors
    /// How long to wait until a request would be let through; the caller's own time has not changed then.
    fn decide(&self, even: u64, now: u64) -> Result<u64, Duration> {
        let interval = self.interval();
        let next = even.max(now).saturating_add(interval);
        let latest = now.saturating_add(interval.saturating_mul(u64::from(self.burst.max(1))));
        if next <= latest { Ok(next) } else { Err(Duration::from_nanos(next - latest)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn rate(requests: u32, burst: u32) -> Rate {
        Rate { requests, period: Duration::from_secs(1), burst }
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let rate = rate(2, 3);
        let mut even = 0;
        for _ in 0..3 {
            even = rate.decide(even, SECOND).unwrap();
        }
        assert_eq!(rate.decide(even, SECOND), Err(Duration::from_millis(500)));
        assert_eq!(rate.decide(even, SECOND + SECOND / 4), Err(Duration::from_millis(250)));
        let even = rate.decide(even, SECOND + SECOND / 2).unwrap();
        assert!(rate.decide(even, SECOND + SECOND / 2).is_err());
    }

    #[test]
    fn an_earlier_time_is_only_that_much_stricter() {
        let rate = rate(1, 1);
        let even = rate.decide(0, 10 * SECOND).unwrap();
        assert_eq!(rate.decide(even, 9 * SECOND), Err(Duration::from_secs(2)));
        assert!(rate.decide(even, 11 * SECOND).is_ok());
    }

    proptest! {
        /// Against a bucket that is filled drop by drop: `burst` tokens at most, one more for each interval.
        #[test]
        fn it_is_a_bucket(
            requests in 1_u32..50,
            burst in 1_u32..20,
            steps in prop::collection::vec(0_u64..SECOND, 1..200),
        ) {
            let rate = rate(requests, burst);
            let interval = rate.interval();
            let (mut even, mut now) = (0, 0);
            // In units of one interval's parts, so that nothing is rounded.
            let full = u64::from(burst) * interval;
            let mut bucket = full;
            for step in steps {
                now += step;
                bucket = full.min(bucket + step);
                let decided = rate.decide(even, now);
                prop_assert_eq!(decided.is_ok(), bucket >= interval, "at {}", now);
                match decided {
                    Ok(next) => { even = next; bucket -= interval; }
                    Err(wait) => prop_assert_eq!(u64::try_from(wait.as_nanos()).unwrap(), interval - bucket),
                }
            }
        }
    }
}
