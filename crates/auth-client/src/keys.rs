//! The published keys: fetched when they are wanted, kept for as long as the auth service says, and kept beyond that while
//! it is away.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use access_token::KeySet;
use reqwest::header::{CACHE_CONTROL, HeaderMap};
use tokio::sync::Mutex;

use crate::error::CallError;
use crate::token::Failure;
use crate::transport::{Transport, read_error};

const PATH: &str = "/.well-known/jwks.json";
/// How long a key set is kept that says nothing about it, and the bounds of one that does.
const USUAL: Duration = Duration::from_secs(300);
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(3600);
/// Between two fetches because of a key that is not there, or while there is a set to go on with.
const COOL_DOWN: Duration = Duration::from_secs(5);

/// A key set as it was fetched.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) set: KeySet,
    stale_at: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    current: RwLock<Option<Arc<Fetched>>>,
    /// Held by whoever fetches.
    fetching: Mutex<Last>,
}

/// The last fetch.
#[derive(Debug, Default)]
struct Last {
    at: Option<Instant>,
    failure: Option<Failure>,
}

impl Keys {
    /// The key set there is, fresh if it can be had.
    pub(crate) async fn get(&self, transport: &Transport) -> Result<Arc<Fetched>, CallError> {
        let current = self.current();
        match &current {
            Some(fetched) if Instant::now() < fetched.stale_at => return Ok(Arc::clone(fetched)),
            _ => {}
        }
        let mut last = match (self.fetching.try_lock(), current) {
            (Ok(last), _) => last,
            // Somebody is at it.
            (Err(_), Some(stale)) => return Ok(stale),
            (Err(_), None) => self.fetching.lock().await,
        };
        match self.current() {
            Some(fetched) if Instant::now() < fetched.stale_at || last.is_cooling_down() => Ok(fetched),
            Some(kept) => Ok(self.fetch(&mut last, transport).await.unwrap_or(kept)),
            // Whoever waited for one that failed does not wait for another.
            None => match last.failure.as_ref().and_then(Failure::lasting) {
                Some(error) => Err(error),
                None => self.fetch(&mut last, transport).await,
            },
        }
    }

    /// A key set that came after `seen`, which lacked a key: fetched once per cool-down, whoever asks.
    pub(crate) async fn after(&self, seen: &Arc<Fetched>, transport: &Transport) -> Option<Arc<Fetched>> {
        let mut last = self.fetching.lock().await;
        match self.current() {
            Some(current) if !Arc::ptr_eq(&current, seen) => Some(current),
            _ if last.is_cooling_down() => None,
            _ => self.fetch(&mut last, transport).await.ok(),
        }
    }

    async fn fetch(&self, last: &mut Last, transport: &Transport) -> Result<Arc<Fetched>, CallError> {
        let fetched = fetch(transport).await;
        *last = Last { at: Some(Instant::now()), failure: fetched.as_ref().err().map(Failure::now) };
        match fetched {
            Ok(fetched) => {
                let fetched = Arc::new(fetched);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&fetched));
                Ok(fetched)
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the key set was not fetched");
                Err(error)
            }
        }
    }

    fn current(&self) -> Option<Arc<Fetched>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Last {
    fn is_cooling_down(&self) -> bool {
        self.at.is_some_and(|at| at.elapsed() < COOL_DOWN)
    }
}

async fn fetch(transport: &Transport) -> Result<Fetched, CallError> {
    let asked = Instant::now();
    let answer = transport.get(PATH).await?;
    let (status, keep) = (answer.status().as_u16(), max_age(answer.headers()));
    let body = answer.bytes().await.map_err(|error| read_error(error, status))?;
    Ok(Fetched { set: KeySet::parse(&body)?, stale_at: asked + keep })
}

/// RFC 9111, section 5.2.2.1, within reason.
fn max_age(headers: &HeaderMap) -> Duration {
    let directives = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut words = directives.flat_map(|text| text.split(',')).map(str::trim);
    let mut age = USUAL;
    let forbidden = words.any(|word| {
        if let Some(seconds) = word.strip_prefix("max-age=").and_then(|seconds| seconds.parse().ok()) {
            age = Duration::from_secs(seconds);
        }
        word.eq_ignore_ascii_case("no-store") || word.eq_ignore_ascii_case("no-cache")
    });
    if forbidden { SHORTEST } else { age.clamp(SHORTEST, LONGEST) }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn keys_are_kept_as_long_as_they_say_within_reason() {
        let check = |value: &'static str, seconds| {
            let headers = [(CACHE_CONTROL, HeaderValue::from_static(value))].into_iter().collect();
            assert_eq!(max_age(&headers).as_secs(), seconds, "{value}");
        };
        check("public, max-age=300", 300);
        check("max-age=60", 60);
        check("max-age=0", 10);
        check("max-age=99999999", 3600);
        check("max-age=soon", 300);
        check("private", 300);
        check("max-age=600, no-store", 10);
        check("No-Cache", 10);
        assert_eq!(max_age(&HeaderMap::new()), USUAL);
    }
}
