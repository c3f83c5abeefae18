//! Waiting for a condition, with a deadline, instead of sleeping and hoping.

use std::time::Duration;

use tokio::time::Instant;

/// Long enough for a loaded machine; a test that is right never waits this long.
const DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// Asks `probe` again and again until it answers `Some`, for at most 30 seconds.
///
/// `what` completes the sentence "gave up waiting until …".
pub async fn eventually<T>(what: &str, probe: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(DEADLINE, what, probe).await
}

/// [`eventually`] with a deadline of the caller's.
pub async fn eventually_within<T>(
    deadline: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < end, "gave up waiting until {what} ({deadline:?})");
        tokio::time::sleep(POLL).await;
    }
}
