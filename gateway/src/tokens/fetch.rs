//! Fetching the key set, in the background: now and then, and when a request asks for it.

use std::sync::Arc;
use std::time::Duration;

use access_token::KeySetError;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::{Source, Tokens};
use crate::upstream::ConnectError;

const ACCEPT: &str = "application/jwk-set+json, application/json";

/// For a whole fetch.
const LIMIT: Duration = Duration::from_secs(5);
/// No honest key set is larger.
const MOST_BYTES: usize = 1 << 20;
/// After a failure: soon again, then less soon.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(10);
/// As long as there is no key at all, everybody waits for the first: the issuer may only just be starting.
const LAST_FIRST_RETRY: Duration = Duration::from_millis(500);

/// Why a fetch brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection.
    #[error("cannot reach the key set's server")]
    Connect(#[from] ConnectError),
    /// No HTTP answer.
    #[error("the key set's server does not answer in HTTP")]
    Exchange(#[from] hyper::Error),
    /// An answer that is no success.
    #[error("the key set's server answers {0}")]
    Status(StatusCode),
    /// A body that broke off or is too large.
    #[error("the key set cannot be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// All of it took too long.
    #[error("the key set did not come within {LIMIT:?}")]
    Timeout,
    /// A document without usable keys.
    #[error(transparent)]
    KeySet(#[from] KeySetError),
}

impl Source {
    async fn fetch(&self) -> Result<Bytes, FetchError> {
        tokio::time::timeout(LIMIT, self.fetch_unbounded()).await.map_err(|_| FetchError::Timeout)?
    }

    async fn fetch_unbounded(&self) -> Result<Bytes, FetchError> {
        let stream = self.connect(LIMIT).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let response = sender.send_request(self.request(ACCEPT)).await?;
            if response.status() != StatusCode::OK {
                return Err(FetchError::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
            Ok(body.map_err(FetchError::Body)?.to_bytes())
        };
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            closed = connection => match closed {
                Ok(()) => exchange.await,
                Err(error) => Err(error.into()),
            },
        }
    }
}

/// Keeps the key set fresh until it is dropped.
pub async fn keep_fresh(tokens: Arc<Tokens>, sources: Vec<Source>, every: Duration) {
    let mut retry = FIRST_RETRY;
    loop {
        tokens.keys().round_begins();
        let succeeded = refresh(&tokens, &sources).await;
        tokens.keys().round_ends(succeeded);
        let pause = if succeeded { every } else { retry.min(every) };
        let longest = if tokens.has_keys() { LAST_RETRY } else { LAST_FIRST_RETRY };
        retry = if succeeded { FIRST_RETRY } else { (retry * 2).min(longest) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = tokens.keys().wanted() => {}
        }
    }
}

/// Asks one source after the other until one has a key set, and the others for a key that this one lacks.
async fn refresh(tokens: &Tokens, sources: &[Source]) -> bool {
    let mut succeeded = false;
    for source in sources {
        let missing = tokens.keys().still_missing();
        if succeeded && missing.is_none() {
            break;
        }
        // What another source lacks as well is no newer than what the first one had.
        let wanted = missing.filter(|_| succeeded);
        match source.fetch().await.and_then(|document| Ok(tokens.replace_keys(&document, wanted.as_deref())?))
        {
            Ok(()) => succeeded = true,
            Err(error) => tell(source, &error),
        }
    }
    succeeded
}

fn tell(source: &Source, error: &FetchError) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(url = %source.uri(), %error, cause, "the key set could not be fetched");
}
