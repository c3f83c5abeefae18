//! The client's own token: kept, renewed ahead of its end, and fetched by one caller for all.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;
use secret::Secret;
use tokio::sync::Mutex;

use crate::error::CallError;

/// How long a failure is everybody's answer: callers must not become a flood because the first one failed.
const FAILURE_LASTS: Duration = Duration::from_secs(1);

/// An access token, shown by no formatter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken(Secret<String>);

impl AccessToken {
    pub(crate) const fn new(token: String) -> Self {
        Self(Secret::new(token))
    }

    /// The token itself. Do not log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The value of an `Authorization` header, marked as sensitive.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        let value = HeaderValue::try_from(format!("Bearer {}", self.expose()));
        // A token that no header can hold is no token; whoever gets the empty one answers 401.
        let mut value = value.unwrap_or(const { HeaderValue::from_static("Bearer") });
        value.set_sensitive(true);
        value
    }
}

/// A token that was given.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) token: AccessToken,
    /// When it was asked for: its life may have begun then.
    pub(crate) asked: Instant,
    pub(crate) lifetime: Duration,
}

/// A token that is kept.
#[derive(Debug, Clone)]
struct Kept {
    token: AccessToken,
    renew_at: Instant,
    ends_at: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct TokenCache {
    kept: RwLock<Option<Kept>>,
    /// Held by whoever fetches; inside, how that failed last.
    fetching: Mutex<Option<Failure>>,
}

/// How a fetch failed, for those who come soon after.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    at: Instant,
    error: Arc<CallError>,
}

impl Failure {
    pub(crate) fn now(error: &CallError) -> Self {
        Self { at: Instant::now(), error: Arc::new(error.clone()) }
    }

    /// The error, while it is not worth trying again.
    pub(crate) fn lasting(&self) -> Option<CallError> {
        (self.at.elapsed() < FAILURE_LASTS).then(|| (*self.error).clone())
    }
}

impl TokenCache {
    /// A token that is good. `fetch` runs once, however many ask, and only when there is none or the one there is nears its end.
    pub(crate) async fn get(
        &self,
        fetch: impl AsyncFnOnce() -> Result<Given, CallError>,
    ) -> Result<AccessToken, CallError> {
        let kept = self.good();
        if let Some(kept) = kept.as_ref().filter(|kept| Instant::now() < kept.renew_at) {
            return Ok(kept.token.clone());
        }
        let mut last = match (self.fetching.try_lock(), kept) {
            (Ok(last), _) => last,
            // Somebody is at it, and until then this one is good.
            (Err(_), Some(kept)) => return Ok(kept.token),
            (Err(_), None) => self.fetching.lock().await,
        };
        self.renew(&mut last, fetch).await
    }

    /// Forgets a token that somebody refused. One that came after it stays.
    pub(crate) fn forget(&self, token: &AccessToken) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|kept| kept.token == *token) {
            *kept = None;
        }
    }

    async fn renew(
        &self,
        last: &mut Option<Failure>,
        fetch: impl AsyncFnOnce() -> Result<Given, CallError>,
    ) -> Result<AccessToken, CallError> {
        // Whoever held the lock before may have settled it.
        let kept = self.good();
        if let Some(kept) = kept.as_ref().filter(|kept| Instant::now() < kept.renew_at) {
            return Ok(kept.token.clone());
        }
        if let Some(error) = last.as_ref().and_then(Failure::lasting) {
            return kept.map(|kept| kept.token).ok_or(error);
        }
        match fetch().await {
            Ok(given) => {
                *last = None;
                Ok(self.keep(given))
            }
            Err(error) => {
                *last = Some(Failure::now(&error));
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "no new token from the auth service"
                );
                // The one there is may outlive the trouble.
                self.good().map(|kept| kept.token).ok_or(error)
            }
        }
    }

    fn keep(&self, given: Given) -> AccessToken {
        let Given { token, asked, lifetime } = given;
        let kept =
            Kept { token: token.clone(), renew_at: asked + lifetime * 4 / 5, ends_at: asked + lifetime };
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        token
    }

    /// The token that is kept, unless it has come to its end.
    fn good(&self) -> Option<Kept> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner).clone();
        kept.filter(|kept| Instant::now() < kept.ends_at)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn given(token: &str, age: Duration) -> Given {
        let token = AccessToken::new(token.to_owned());
        Given { token, asked: Instant::now() - age, lifetime: Duration::from_secs(100) }
    }

    fn failure() -> CallError {
        CallError::Unavailable { status: 503, retry_after: None }
    }

    #[tokio::test]
    async fn one_fetch_serves_all_who_ask_at_once() {
        let (cache, fetches) = (TokenCache::default(), AtomicU32::new(0));
        let ask = || {
            cache.get(async || {
                fetches.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(given("a", Duration::ZERO))
            })
        };
        let (one, two, three) = tokio::join!(ask(), ask(), ask());
        assert_eq!([one, two, three].map(|token| token.unwrap().expose().to_owned()), ["a", "a", "a"]);
        assert_eq!(fetches.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_failure_is_everybodys_and_is_not_repeated_at_once() {
        let (cache, fetches) = (TokenCache::default(), AtomicU32::new(0));
        let ask = || {
            cache.get(async || {
                fetches.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Err(failure())
            })
        };
        let (one, two) = tokio::join!(ask(), ask());
        assert!(one.is_err() && two.is_err() && ask().await.is_err());
        assert_eq!(fetches.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_token_is_renewed_ahead_of_its_end_and_outlives_a_failure() {
        let cache = TokenCache::default();
        let check = async |fetched: Result<Given, CallError>, expected: &str| {
            assert_eq!(cache.get(async || fetched).await.unwrap().expose(), expected);
        };
        check(Ok(given("young", Duration::from_secs(79))), "young").await;
        check(Ok(given("unasked", Duration::ZERO)), "young").await;
        cache.keep(given("old", Duration::from_secs(81)));
        check(Err(failure()), "old").await;
        check(Ok(given("too soon", Duration::ZERO)), "old").await;
        *cache.fetching.lock().await = None;
        check(Ok(given("new", Duration::ZERO)), "new").await;
        cache.keep(given("dead", Duration::from_secs(100)));
        check(Ok(given("next", Duration::ZERO)), "next").await;
    }

    #[tokio::test]
    async fn a_refused_token_is_forgotten_and_its_successor_is_not() {
        let cache = TokenCache::default();
        let first = cache.get(async || Ok(given("first", Duration::ZERO))).await.unwrap();
        cache.forget(&first);
        let second = cache.get(async || Ok(given("second", Duration::ZERO))).await.unwrap();
        cache.forget(&first);
        let still = cache.get(async || Ok(given("third", Duration::ZERO))).await.unwrap();
        assert_eq!((second.expose(), still.expose()), ("second", "second"));
        assert!(first.header().is_sensitive() && !format!("{first:?} {cache:?}").contains("second"));
    }
}
