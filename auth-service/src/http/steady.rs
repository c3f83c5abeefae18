//! Answers that take the same time whatever was found.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Longer than the work ever takes while the database is well: what is left of it tells nothing.
pub const STEADY: Duration = Duration::from_millis(100);

/// Does the work, and answers no sooner than [`STEADY`] after it was begun.
pub async fn steady<T>(work: impl Future<Output = T>) -> T {
    let not_before = Instant::now() + STEADY;
    let done = work.await;
    sleep_until(not_before).await;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_is_done_sooner_is_not_told_sooner() {
        for took in [0, 1, 99, 100, 250] {
            let begun = Instant::now();
            steady(tokio::time::sleep(Duration::from_millis(took))).await;
            assert_eq!(begun.elapsed(), Duration::from_millis(took).max(STEADY));
        }
    }
}
