//! The last stage: the request goes to its upstream, and the answer's head comes back.
//!
//! Bodies flow afterwards, on their own. Whatever goes wrong is told to the client in general terms and logged in
//! particular ones.

use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::{CONTENT_LENGTH, HeaderValue, TE, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode, Version};

use super::body::{RequestBody, ResponseBody, Switched};
use super::canonical::members;
use super::upgrade::Handshake;
use crate::error::{Rejection, chain};
use crate::pipeline::limit::BodyTooLarge;
use crate::runtime::metrics::Failed;
use crate::runtime::watch::{Broke, Expired, Watch};
use crate::upstream::{Answerer, SendError, Upstream, is_lost, is_refused};

/// Why an upstream's answer cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// See [`SendError`].
    #[error(transparent)]
    Send(#[from] SendError),
    /// See [`Expired`].
    #[error(transparent)]
    Expired(#[from] Expired),
    /// The client's body did not reach its end.
    #[error("the client's body broke: {0:?}")]
    Body(Broke),
    /// Nobody asked to switch protocols, or not to these.
    #[error("the upstream switched protocols unasked")]
    Switched,
    /// Only `chunked` is taken off; the client would get the rest for the content.
    #[error("the upstream used a transfer coding unasked")]
    Coded,
}

/// Sends the request and waits for the answer's head. Only an answer to a `handshake` may switch protocols; trailers
/// pass from HTTP/2 to a client that takes them.
///
/// # Errors
/// See [`ForwardError`].
pub async fn forward(
    upstream: &Upstream<RequestBody>,
    mut request: Request<RequestBody>,
    handshake: Option<&Handshake>,
    takes_trailers: bool,
    watch: &Rc<Watch>,
    connect_limit: Duration,
    now: Instant,
) -> Result<(Response<ResponseBody>, Answerer), ForwardError> {
    *request.version_mut() = Version::HTTP_11;
    let trailers = takes_trailers && upstream.is_http2();
    if trailers {
        request.headers_mut().insert(TE, const { HeaderValue::from_static("trailers") });
    }
    watch.answer_awaited(now);
    if !request.body().is_finished() {
        watch.upload_started(now);
    }
    let sent = unless_expired(watch, upstream.send(request, connect_limit)).await?;
    let (mut answer, lease) = sent.map_err(|error| match (error, watch.upload_broke()) {
        (SendError::Broken(_), Some(broke)) => ForwardError::Body(broke),
        (error, _) => error.into(),
    })?;
    watch.answer_started();
    if upstream.is_http2() {
        watch.flows_both_ways();
    }
    let answerer = lease.answerer();
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        if !handshake.is_some_and(|handshake| handshake.is_accepted_by(answer.headers())) {
            return Err(ForwardError::Switched);
        }
        let switched = Switched { upgrade: hyper::upgrade::on(&mut answer), lease };
        return Ok((answer.map(|_| ResponseBody::switched(switched)), answerer));
    }
    let (mut head, incoming) = answer.into_parts();
    if members(&head.headers, TRANSFER_ENCODING).any(|coding| !coding.eq_ignore_ascii_case("chunked")) {
        return Err(ForwardError::Coded);
    }
    if head.headers.contains_key(TRANSFER_ENCODING) {
        // RFC 9112 section 6.1: the length was never true, and must not be passed on as if it were.
        head.headers.remove(CONTENT_LENGTH);
    }
    head.version = Version::HTTP_11;
    head.extensions.clear();
    Ok((Response::from_parts(head, ResponseBody::upstream(incoming, lease, watch, trailers)), answerer))
}

/// Gives up when the connection's watch says so; it wakes this task when it does.
async fn unless_expired<T>(watch: &Watch, work: impl Future<Output = T>) -> Result<T, Expired> {
    let mut work = pin!(work);
    std::future::poll_fn(|cx| match (work.as_mut().poll(cx), watch.expired()) {
        (Poll::Ready(done), _) => Poll::Ready(Ok(done)),
        (Poll::Pending, Some(expired)) => Poll::Ready(Err(expired)),
        (Poll::Pending, None) => Poll::Pending,
    })
    .await
}

impl ForwardError {
    /// What the client is told.
    pub fn rejection(&self) -> Rejection {
        match self {
            Self::Send(SendError::Unreachable(_) | SendError::NoneHealthy) => Rejection::Unreachable,
            Self::Send(SendError::Broken(error)) if is_refused(error) => Rejection::Unreachable,
            Self::Send(SendError::Broken(error)) if is_lost(error) => Rejection::Lost,
            Self::Send(SendError::Broken(_)) => Rejection::BadAnswer,
            Self::Body(Broke::TooLarge(limit)) => BodyTooLarge { limit: *limit }.into(),
            Self::Body(Broke::Off) => Rejection::BrokenBody,
            Self::Expired(Expired::Upload) => Rejection::RequestTooSlow,
            // The last three come only once an answer flows, and then nothing more can be told.
            Self::Expired(
                Expired::UploadStalled
                | Expired::FirstByte
                | Expired::Download
                | Expired::Token
                | Expired::Revoked,
            ) => Rejection::TooSlow,
            Self::Switched | Self::Coded => Rejection::BadAnswer,
        }
    }

    /// How it counts against the upstream; `None` if the client is to blame.
    pub fn counts_as(&self) -> Option<Failed> {
        match self.rejection() {
            Rejection::Unreachable => Some(Failed::Unreachable),
            Rejection::BadAnswer | Rejection::Lost => Some(Failed::Broken),
            Rejection::TooSlow => Some(Failed::Timeout),
            _ => None,
        }
    }

    /// Tells the operator, once, with the whole chain of causes.
    pub fn log(&self, upstream: &str, request_id: &HeaderValue) {
        let error = chain(self);
        let request_id = request_id.to_str().unwrap_or_default();
        match self.counts_as() {
            Some(_) => tracing::warn!(upstream, request_id, error, "no answer from an upstream"),
            None => tracing::debug!(upstream, request_id, error, "a request broke off"),
        }
    }
}
