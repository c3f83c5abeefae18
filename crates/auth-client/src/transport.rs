//! Calls: who asks, how long it may take, and which ones are repeated.
//!
//! Every call here may be repeated without harm: a second token, a second look, a session ended twice. Still, only what
//! surely was not served is: a connection that was not made, and an answer that says when to come back.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};
use secret::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::CallError;

/// The longest that a call waits because it was told to.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// The first wait after a connection that was not made; doubled with each.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The way to the auth service.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    /// Of the client; none for who only reads what is public.
    pub(crate) credentials: Option<(String, Secret<String>)>,
    pub(crate) retries: u32,
}

/// RFC 6749, section 5.2.
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Transport {
    /// Posts a form as the client and reads what comes back.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<T, CallError> {
        let answer = self.post(path, form).await?;
        let status = answer.status().as_u16();
        answer.json().await.map_err(|error| read_error(error, status))
    }

    /// Posts a form as the client.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<Response, CallError> {
        let request = self.http.post(format!("{}{path}", self.base)).form(form);
        let request = match &self.credentials {
            // Neither half has anything in it that the form encoding of RFC 6749 would change.
            Some((id, secret)) => request.basic_auth(id, Some(secret.expose())),
            None => request,
        };
        self.send(request).await
    }

    /// Gets what is public.
    pub(crate) async fn get(&self, path: &str) -> Result<Response, CallError> {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, CallError> {
        let mut attempt = 0;
        loop {
            // A form is at hand as a whole, so there always is a copy.
            let this = request.try_clone();
            let Some(this) = this else { return served(request.send().await).await };
            let answer = this.send().await;
            let wait = (attempt < self.retries).then(|| wait(&answer, attempt)).flatten();
            let Some(wait) = wait else { return served(answer).await };
            attempt += 1;
            tokio::time::sleep(wait).await;
        }
    }
}

/// How long to wait before the call is repeated, if it may be.
fn wait(answer: &Result<Response, reqwest::Error>, attempt: u32) -> Option<Duration> {
    match answer {
        Err(error) if error.is_connect() => Some(FIRST_WAIT * 2_u32.saturating_pow(attempt)),
        Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => {
            retry_after(answer.headers()).filter(|wait| *wait <= LONGEST_WAIT)
        }
        Err(_) | Ok(_) => None,
    }
}

/// In seconds; the auth service never sends a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

async fn served(answer: Result<Response, reqwest::Error>) -> Result<Response, CallError> {
    let answer = answer.map_err(CallError::unreachable)?;
    let status = answer.status();
    match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Err(CallError::Unavailable {
            status: status.as_u16(),
            retry_after: retry_after(answer.headers()),
        }),
        _ if status.is_success() => Ok(answer),
        _ => Err(refused(status.as_u16(), answer).await),
    }
}

async fn refused(status: u16, answer: Response) -> CallError {
    match answer.json::<ErrorBody>().await {
        Ok(ErrorBody { error, error_description: description }) => {
            CallError::Refused { status, error, description }
        }
        Err(error) => read_error(error, status),
    }
}

pub(crate) fn read_error(error: reqwest::Error, status: u16) -> CallError {
    if error.is_decode() { CallError::Unexpected { status } } else { CallError::unreachable(error) }
}
