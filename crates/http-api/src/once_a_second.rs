//! One line a second for what a flood would otherwise write a thousand times.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Any moment: seconds are counted from it.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Lets one through in each second, and counts the others.
#[derive(Debug, Default)]
pub(crate) struct OnceASecond {
    /// The next second in which one may pass.
    next: AtomicU64,
    left_out: AtomicU64,
}

impl OnceASecond {
    pub(crate) const fn new() -> Self {
        Self { next: AtomicU64::new(0), left_out: AtomicU64::new(0) }
    }

    /// How many were left out since the last one that passed; `None`: this one is left out too.
    pub(crate) fn pass(&self) -> Option<u64> {
        self.pass_at(START.elapsed().as_secs())
    }

    fn pass_at(&self, second: u64) -> Option<u64> {
        let next = self.next.load(Ordering::Relaxed);
        let first =
            || self.next.compare_exchange(next, second + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if next <= second && first() {
            Some(self.left_out.swap(0, Ordering::Relaxed))
        } else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_second_passes_and_tells_of_the_others() {
        let gate = OnceASecond::new();
        let passed: Vec<_> = [0, 0, 0, 1, 5, 5, 4, 6].map(|second| gate.pass_at(second)).into();
        assert_eq!(passed, [Some(0), None, None, Some(2), Some(0), None, None, Some(2)]);
    }
}
