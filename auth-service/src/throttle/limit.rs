//! One limit: so many failures in so long, and what follows.

use std::str::FromStr;
use std::time::Duration;

use process::parse_duration;
use time::OffsetDateTime;

/// The first wait of [`Then::Doubling`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Doubled so often, a wait is longer than any window.
const MOST_DOUBLINGS: u32 = 30;
/// The longest window: a month.
const LONGEST_WINDOW: Duration = Duration::from_secs(31 * 86_400);

/// So many failures in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many attempts may fail.
    pub allowed: i32,
    /// Within how long, counted from the first one.
    pub window: Duration,
    /// What follows when that many have.
    pub then: Then,
}

/// What follows when as many attempts as are allowed have failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// None until the window is over.
    Wait,
    /// One after a second, and after each that fails twice the wait, up to the length of the window. All is forgotten when
    /// that long passes after a wait without a failure.
    Doubling,
}

/// What is remembered of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// Attempts that failed, or whose end is not known yet.
    pub failures: i32,
    /// Nothing is tried before.
    pub blocked_until: Option<OffsetDateTime>,
    /// From when on nothing of this counts.
    pub expires_at: OffsetDateTime,
}

impl Limit {
    /// The longest wait of [`Then::Doubling`].
    #[must_use]
    pub const fn longest_wait(&self) -> Option<Duration> {
        match self.then {
            Then::Wait => None,
            Then::Doubling => Some(self.window),
        }
    }

    /// Counts an attempt that is made now, before it is known how it ends. `Err` is when one may be made again: the deadline
    /// that stood before this attempt forbids it, and it is not counted.
    pub fn count(&self, before: Option<Counter>, now: OffsetDateTime) -> Result<Counter, OffsetDateTime> {
        if let Some(until) = before.and_then(|before| before.blocked_until).filter(|until| *until > now) {
            return Err(until);
        }
        let alive = before.filter(|before| before.expires_at > now);
        let failures = alive.map_or(0, |counter| counter.failures) + 1;
        let ends = alive.map_or(now + self.window, |counter| counter.expires_at);
        if failures < self.allowed {
            return Ok(Counter { failures, blocked_until: None, expires_at: ends });
        }
        let (until, expires_at) = match self.then {
            Then::Wait => (ends, ends),
            Then::Doubling => {
                let doublings = u32::try_from(failures - self.allowed).unwrap_or(0).min(MOST_DOUBLINGS);
                let until = now + (FIRST_WAIT * 2_u32.pow(doublings)).min(self.window);
                (until, until + self.window)
            }
        };
        Ok(Counter { failures, blocked_until: Some(until), expires_at })
    }
}

/// What is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no limit; write it like 5/15m: so many attempts in so long")]
pub struct NotALimit;

/// The two numbers of a limit, as settings spell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub allowed: i32,
    /// In how long.
    pub window: Duration,
}

impl Rate {
    /// The limit after which nothing goes until the window is over.
    #[must_use]
    pub const fn then(self, then: Then) -> Limit {
        Limit { allowed: self.allowed, window: self.window, then }
    }
}

impl FromStr for Rate {
    type Err = NotALimit;

    fn from_str(text: &str) -> Result<Self, NotALimit> {
        let (allowed, window) = text.split_once('/').ok_or(NotALimit)?;
        let is_number = allowed.bytes().all(|byte| byte.is_ascii_digit());
        let allowed = allowed.parse().ok().filter(|allowed| is_number && (1..=1_000_000).contains(allowed));
        let window = parse_duration(window).filter(|window| (FIRST_WAIT..=LONGEST_WINDOW).contains(window));
        Ok(Self { allowed: allowed.ok_or(NotALimit)?, window: window.ok_or(NotALimit)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    /// For how long nothing may be tried after each of these many failures, made as soon as they may be.
    fn waits(limit: Limit, failures: usize) -> Vec<u64> {
        let (mut now, mut counter) = (START, None);
        let counted = (0..failures).map(|_| {
            let after = limit.count(counter, now).unwrap();
            let wait = after.blocked_until.map_or(Duration::ZERO, |until| (until - now).unsigned_abs());
            counter = Some(after);
            now += wait;
            wait.as_secs()
        });
        counted.collect()
    }

    #[test]
    fn after_five_failures_the_wait_doubles_from_a_second_to_the_window() {
        let limit = Limit { allowed: 5, window: 15 * MINUTE, then: Then::Doubling };
        let expected = [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900];
        assert_eq!(waits(limit, expected.len()), expected);
    }

    #[test]
    fn a_plain_limit_lets_nothing_through_until_the_window_is_over() {
        let limit = Limit { allowed: 3, window: MINUTE, then: Then::Wait };
        assert_eq!(waits(limit, 6), [0, 0, 60, 0, 0, 60]);
        let full = (0..3).fold(None, |counter, second| {
            Some(limit.count(counter, START + Duration::from_secs(second)).unwrap())
        });
        let end = START + MINUTE;
        assert_eq!(limit.count(full, START + Duration::from_secs(59)), Err(end));
        assert_eq!(limit.count(full, end).unwrap().failures, 1);
    }

    #[test]
    fn all_is_forgotten_a_window_after_the_last_wait() {
        let limit = Limit { allowed: 1, window: MINUTE, then: Then::Doubling };
        let first = limit.count(None, START).unwrap();
        let second = START + Duration::from_secs(1);
        assert_eq!(limit.count(Some(first), START), Err(second));
        let again = |at| limit.count(Some(first), at).unwrap().failures;
        assert_eq!(again(second + MINUTE - Duration::from_secs(1)), 2);
        assert_eq!(again(second + MINUTE), 1);
    }

    #[test]
    fn a_rate_is_a_number_and_a_duration() {
        assert_eq!("5/15m".parse(), Ok(Rate { allowed: 5, window: 15 * MINUTE }));
        for wrong in [
            "", "5", "/15m", "5/", "0/15m", "-1/15m", "+5/15m", "5/15", "5/0s", "5/32d", "5 / 15m", "5/15m/1",
        ] {
            assert_eq!(wrong.parse::<Rate>(), Err(NotALimit), "{wrong:?}");
        }
    }
}
