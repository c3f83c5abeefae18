//! Answers that take the same time whatever was found.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Longer than the work ever takes while the database is well: what is left of it tells nothing.
pub const STEADY: Duration = Duration::from_millis(100);

/// Does the work, and answers no sooner than [`STEADY`] after `begun`: the beginning of all that depends on what is found, counting
/// the attempt included, since an address that is known to the account is counted under fewer limits.
pub async fn steady<T>(begun: Instant, work: impl Future<Output = T>) -> T {
    let done = work.await;
    sleep_until(begun + STEADY).await;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_is_done_sooner_is_not_told_sooner() {
        for took in [0, 1, 99, 100, 250] {
            let begun = Instant::now();
            steady(begun, tokio::time::sleep(Duration::from_millis(took))).await;
            assert_eq!(begun.elapsed(), Duration::from_millis(took).max(STEADY));
        }
    }
}
