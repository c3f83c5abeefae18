//! How long ago the feed was last heard of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The auth service sends a heartbeat every two seconds; five of them missed is no accident.
pub(super) const SILENCE: Duration = Duration::from_secs(10);

/// A moment that one task moves forward and everybody reads.
#[derive(Debug)]
pub(super) struct Freshness {
    began: Instant,
    /// Milliseconds since `began`, plus one; 0 is never.
    heard: AtomicU64,
}

impl Freshness {
    /// Nothing was heard yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self { began: now, heard: AtomicU64::new(0) }
    }

    /// Something was heard.
    pub(super) fn heard(&self, now: Instant) {
        let since = now.saturating_duration_since(self.began).as_millis();
        self.heard.store(u64::try_from(since).unwrap_or(u64::MAX - 1) + 1, Ordering::Relaxed);
    }

    /// How long ago it was.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed).checked_sub(1)?);
        Some(now.saturating_duration_since(self.began).saturating_sub(heard))
    }

    /// Whether it was too long ago, or never.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.age(now).is_none_or(|age| age >= SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_heard_is_stale_and_so_is_what_fell_silent() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let freshness = Freshness::new(start);
        assert!(freshness.is_stale(start));
        assert_eq!(freshness.age(after(3)), None);
        freshness.heard(after(5));
        assert_eq!(freshness.age(after(7)), Some(Duration::from_secs(2)));
        assert!(!freshness.is_stale(after(14)));
        assert!(freshness.is_stale(after(15)));
        freshness.heard(after(20));
        assert!(!freshness.is_stale(after(21)));
    }
}
