//! Bodies on their way through: thin wrappers of hyper's, streamed and never collected, that tell the connection's
//! [`Watch`] what they wait for.
//!
//! Trailers of a request do not pass: one could name a header that was stripped. Those of an answer pass between
//! HTTP/2 and HTTP/2, cleaned, to clients that say `TE: trailers`.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::identify::clean_trailers;
use super::observe::Exchange;
use crate::runtime::watch::{Broke, Expired, Watch};
use crate::upstream::{Lease, Sendable};

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More came than the route allows.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// The other side went away, or broke the framing.
    #[error("the body broke off")]
    Broken(#[from] hyper::Error),
    /// Nothing moved for too long.
    #[error(transparent)]
    Expired(#[from] Expired),
}

/// A client's body on its way to an upstream.
#[derive(Debug)]
pub struct RequestBody {
    /// None when there is nothing and never was.
    incoming: Option<Incoming>,
    watch: Rc<Watch>,
    exchange: u64,
    limit: u64,
    received: u64,
    finished: bool,
}

impl RequestBody {
    /// The body of the exchange that is under way.
    pub fn new(incoming: Incoming, watch: &Rc<Watch>, exchange: u64) -> Self {
        let finished = incoming.is_end_stream();
        let incoming = (!finished).then_some(incoming);
        Self { incoming, watch: Rc::clone(watch), exchange, limit: u64::MAX, received: 0, finished }
    }

    /// The same, allowed to grow to `limit` bytes.
    #[must_use]
    pub const fn limited(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// Whether nothing is left to come.
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    /// A body may outlive its exchange, and then says nothing.
    fn watch(&self) -> Option<&Watch> {
        self.watch.is_exchange(self.exchange).then_some(&*self.watch)
    }

    fn count(&mut self, data: &Bytes) -> Result<(), BodyError> {
        self.received = self.received.saturating_add(data.len() as u64);
        if self.received > self.limit {
            return Err(BodyError::TooLarge(self.limit));
        }
        if let Some(watch) = self.watch() {
            watch.upload_moved(data.len() as u64);
        }
        Ok(())
    }

    fn finish(&mut self) {
        if !self.finished {
            self.finished = true;
            if let Some(watch) = self.watch() {
                watch.upload_finished();
            }
        }
    }
}

impl RequestBody {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
            let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) else {
                if let Some(watch) = self.watch() {
                    watch.upload_waits();
                }
                return Poll::Pending;
            };
            let Some(frame) = frame.transpose()? else {
                self.finish();
                return Poll::Ready(None);
            };
            if let Ok(data) = frame.into_data() {
                self.count(&data)?;
                if self.incoming.as_ref().is_none_or(Incoming::is_end_stream) {
                    self.finish();
                }
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.poll_data(cx);
        if let Poll::Ready(Some(Err(error))) = &polled
            && let Some(watch) = self.watch()
        {
            // Over HTTP/2 the exchange is told of a reset only.
            watch.upload_breaks(match error {
                BodyError::TooLarge(limit) => Broke::TooLarge(*limit),
                BodyError::Broken(_) | BodyError::Expired(_) => Broke::Off,
            });
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.finished
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Sendable for RequestBody {
    fn nothing(&self) -> Option<Self> {
        let none = || Self { incoming: None, watch: Rc::clone(&self.watch), ..*self };
        self.incoming.is_none().then(none)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.finished
            && let Some(watch) = self.watch()
        {
            watch.leave_undrained();
        }
    }
}

/// What a client is answered with. Its end, or its loss, is the end of the [`Exchange`].
pub struct ResponseBody {
    source: Source,
    exchange: Option<Exchange>,
    ended: bool,
}

/// The upstream's side of a connection that becomes something else.
#[derive(Debug)]
pub struct Switched {
    /// The connection, as soon as hyper lets go of it.
    pub upgrade: OnUpgrade,
    /// What keeps it counted; it never serves again.
    pub lease: Lease<RequestBody>,
}

enum Source {
    Empty,
    Switched(Switched),
    Whole(Bytes),
    Upstream {
        incoming: Incoming,
        lease: Option<Lease<RequestBody>>,
        watch: Rc<Watch>,
        trailers: bool,
        /// See [`without_last_byte`].
        last: Option<Bytes>,
    },
}

impl ResponseBody {
    /// No body.
    pub const fn empty() -> Self {
        Self { source: Source::Empty, exchange: None, ended: false }
    }

    /// A body that is at hand.
    pub const fn whole(bytes: Bytes) -> Self {
        Self { source: Source::Whole(bytes), exchange: None, ended: false }
    }

    /// An upstream's body, with its `trailers` or without; the connection goes back to its pool when it is complete.
    pub fn upstream(
        incoming: Incoming,
        lease: Lease<RequestBody>,
        watch: &Rc<Watch>,
        trailers: bool,
    ) -> Self {
        if incoming.is_end_stream() {
            lease.give_back();
            return Self::empty();
        }
        let (lease, watch) = (Some(lease), Rc::clone(watch));
        let source = Source::Upstream { incoming, lease, watch, trailers, last: None };
        Self { source, exchange: None, ended: false }
    }

    /// No body: the connection becomes something else.
    pub const fn switched(switched: Switched) -> Self {
        Self { source: Source::Switched(switched), exchange: None, ended: false }
    }

    /// What the connection becomes, if anything.
    pub fn take_switched(&mut self) -> Option<Switched> {
        if !matches!(self.source, Source::Switched(_)) {
            return None;
        }
        match std::mem::replace(&mut self.source, Source::Empty) {
            Source::Switched(switched) => Some(switched),
            _ => None,
        }
    }

    /// The exchange that ends with this body.
    #[must_use]
    pub fn ending(mut self, exchange: Exchange) -> Self {
        self.exchange = Some(exchange);
        self
    }

    fn sent(&mut self, bytes: usize) {
        if let Some(exchange) = &mut self.exchange {
            exchange.sent(bytes as u64);
        }
    }
}

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Empty | Self::Switched(_) => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then_some(Ok(Frame::data(bytes))))
            }
            Self::Upstream { incoming, lease, watch, trailers, last } => {
                if let Some(last) = last.take() {
                    watch.answer_offered();
                    return Poll::Ready(Some(Ok(Frame::data(last))));
                }
                let frame = ready!(poll_upstream(incoming, watch, *trailers, cx)).transpose()?;
                if (incoming.is_end_stream() || frame.as_ref().is_none_or(Frame::is_trailers))
                    && let Some(lease) = lease.take()
                {
                    lease.give_back();
                }
                let is_stream = watch.is_stream();
                let part = |frame| if is_stream { without_last_byte(frame, last) } else { frame };
                Poll::Ready(frame.map(part).map(Ok))
            }
        }
    }
}

/// Keeps the last byte of a piece for the next one. hyper is done with a stream once all of it is queued, for which one
/// byte of the client's window is enough, and nobody watches over it from then on. For this byte it waits until the
/// window is open for everything before it, and so does the [`Watch`].
fn without_last_byte(frame: Frame<Bytes>, last: &mut Option<Bytes>) -> Frame<Bytes> {
    match frame.into_data() {
        Ok(mut data) => {
            *last = (data.len() > 1).then(|| data.split_off(data.len() - 1));
            Frame::data(data)
        }
        Err(trailers) => trailers,
    }
}

fn poll_upstream(
    incoming: &mut Incoming,
    watch: &Watch,
    trailers: bool,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    watch.answer_taken();
    loop {
        if let Some(expired) = watch.expired() {
            return Poll::Ready(Some(Err(expired.into())));
        }
        let Poll::Ready(frame) = Pin::new(&mut *incoming).poll_frame(cx) else {
            watch.download_waits();
            return Poll::Pending;
        };
        watch.download_moved();
        let Some(mut frame) = frame.transpose()? else { return Poll::Ready(None) };
        if frame.is_data() {
            watch.answer_offered();
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(map) = frame.trailers_mut().filter(|_| trailers) {
            clean_trailers(map);
            return Poll::Ready(Some(Ok(frame)));
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.source.poll_frame(cx)).transpose()?;
        // Nothing comes after trailers, and nobody asks again.
        self.ended = frame.as_ref().is_none_or(Frame::is_trailers);
        self.sent(frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len));
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty | Source::Switched(_) => true,
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Upstream { incoming, last, .. } => last.is_none() && incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty | Source::Switched(_) => SizeHint::with_exact(0),
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Upstream { incoming, last, .. } => {
                let hint = incoming.size_hint();
                let kept = last.as_ref().map_or(0, |last| last.len() as u64);
                hint.exact().map_or(hint, |rest| SizeHint::with_exact(rest + kept))
            }
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        let complete = self.ended || self.is_end_stream();
        if let Some(exchange) = self.exchange.as_mut().filter(|_| complete) {
            exchange.completed();
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("size", &self.size_hint()).finish_non_exhaustive()
    }
}
