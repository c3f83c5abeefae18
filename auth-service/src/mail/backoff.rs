//! When a mail that could not be sent is tried again.

use std::time::Duration;

/// After the first attempt.
const FIRST: Duration = Duration::from_secs(1);
/// Between two attempts at most: a link for half an hour is to have some.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// How long to wait after so many attempts. `jitter` is between 0 and 255 and moves it by a quarter at most, so that what failed
/// together does not come back together.
#[must_use]
pub fn pause(attempts: u32, jitter: u8) -> Duration {
    let doubled = FIRST.saturating_mul(2u32.saturating_pow(attempts.saturating_sub(1)));
    doubled.min(LONGEST).mul_f64(0.75 + f64::from(jitter) / 510.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_twice_the_one_before_up_to_five_minutes() {
        let check = |attempts, seconds: f64| {
            let middle = pause(attempts, 128).as_secs_f64();
            assert!((middle / seconds - 1.0).abs() < 0.01, "{attempts}: {middle}");
        };
        check(1, 1.0);
        check(2, 2.0);
        check(9, 256.0);
        check(10, 300.0);
        check(u32::MAX, 300.0);
    }

    #[test]
    fn jitter_moves_it_by_a_quarter() {
        assert_eq!(pause(3, 0), Duration::from_secs(3));
        assert_eq!(pause(3, 255), Duration::from_secs(5));
    }
}
