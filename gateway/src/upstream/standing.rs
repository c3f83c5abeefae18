//! Whether a server is asked: what active checks and its own answers say of it, and how it returns.
//!
//! Pure: times are arguments. Knows neither connections nor other servers.

use std::time::{Duration, Instant};

/// How long the first ejection lasts; each further one twice as long.
const FIRST_EJECTION: Duration = Duration::from_secs(2);
/// The longest ejection.
const LAST_EJECTION: Duration = Duration::from_secs(60);
/// After so long without an ejection the next one counts as the first.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// In this time the share of a server that returns grows from [`FIRST_SHARE`] to all of it.
const SLOW_RETURN: Duration = Duration::from_secs(10);
/// Per cent.
const FIRST_SHARE: u128 = 10;

/// What follows for requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// It is asked.
    Open,
    /// It failed a moment ago: asked when no other can be.
    Spare,
    /// Its checks fail: it is not asked.
    Out,
}

/// How many checks in a row change a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Good ones that bring a server back.
    pub healthy: u32,
    /// Bad ones that take it out.
    pub unhealthy: u32,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    ejected_until: Option<Instant>,
    ejections: u32,
    returned: Option<Instant>,
    unhealthy: bool,
    /// Checks in a row that contradict the verdict.
    contradictions: u32,
}

impl Standing {
    /// Of a server that joins others which are at work.
    pub(super) fn newcomer(now: Instant) -> Self {
        Self { returned: Some(now), ..Self::default() }
    }

    pub(super) const fn place(&self) -> Place {
        match (self.unhealthy, self.ejected_until) {
            (true, _) => Place::Out,
            (false, Some(_)) => Place::Spare,
            (false, None) => Place::Open,
        }
    }

    /// When it came back, if it did.
    pub(super) const fn returned(&self) -> Option<Instant> {
        self.returned
    }

    /// It is passed over for a while, longer each time.
    pub(super) fn eject(&mut self, now: Instant) {
        if self.returned.is_some_and(|returned| now.saturating_duration_since(returned) >= FORGIVEN_AFTER) {
            self.ejections = 0;
        }
        let factor = 1_u32.checked_shl(self.ejections).unwrap_or(u32::MAX);
        self.ejected_until = now.checked_add(FIRST_EJECTION.saturating_mul(factor).min(LAST_EJECTION));
        self.ejections = self.ejections.saturating_add(1);
    }

    /// An ejection that is over ends; true if one did.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        let over = self.ejected_until.is_some_and(|until| until <= now);
        if over {
            self.readmit(now);
        }
        over
    }

    /// The ejection ends now.
    pub(super) const fn readmit(&mut self, now: Instant) {
        self.ejected_until = None;
        self.returned = Some(now);
    }

    /// A check's result; true if the verdict changes.
    pub(super) fn checked(&mut self, good: bool, thresholds: Thresholds, now: Instant) -> bool {
        if good != self.unhealthy {
            self.contradictions = 0;
            return false;
        }
        self.contradictions = self.contradictions.saturating_add(1);
        let needed = if good { thresholds.healthy } else { thresholds.unhealthy };
        if self.contradictions < needed {
            return false;
        }
        self.contradictions = 0;
        self.unhealthy = !good;
        if good {
            self.readmit(now);
        }
        true
    }
}

/// The share of a server so long after its return, in percent.
pub(super) fn share(since_return: Duration) -> u8 {
    let grown = since_return.as_millis().saturating_mul(100 - FIRST_SHARE) / SLOW_RETURN.as_millis();
    u8::try_from(FIRST_SHARE.saturating_add(grown).min(100)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn ejections_grow_and_are_bounded_and_forgiven() {
        let (mut standing, mut now) = (Standing::default(), Instant::now());
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            standing.eject(now);
            assert_eq!(standing.place(), Place::Spare);
            assert!(!standing.tick(now + SECOND * (seconds - 1)), "{seconds}");
            now += SECOND * seconds;
            assert!(standing.tick(now), "{seconds}");
            assert_eq!((standing.place(), standing.returned()), (Place::Open, Some(now)));
        }
        now += FORGIVEN_AFTER;
        standing.eject(now);
        assert!(standing.tick(now + SECOND * 2), "it is the first again");
    }

    #[test]
    fn checks_change_the_verdict_only_in_a_row() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        let thresholds = Thresholds { healthy: 2, unhealthy: 3 };
        for (good, place) in [
            (false, Place::Open),
            (false, Place::Open),
            (true, Place::Open),
            (false, Place::Open),
            (false, Place::Open),
            (false, Place::Out),
            (false, Place::Out),
            (true, Place::Out),
            (false, Place::Out),
            (true, Place::Out),
            (true, Place::Open),
        ] {
            let before = standing.place();
            assert_eq!(standing.checked(good, thresholds, now), before != place);
            assert_eq!(standing.place(), place);
        }
        assert_eq!(standing.returned(), Some(now), "and slowly");
    }

    #[test]
    fn a_share_grows_to_all() {
        for (millis, percent) in [(0, 10), (1000, 19), (5000, 55), (9999, 99), (10_000, 100), (u64::MAX, 100)]
        {
            assert_eq!(share(Duration::from_millis(millis)), percent, "{millis}");
        }
    }
}
