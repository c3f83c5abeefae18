//! HTTP/2 to one server, of one core: one connection for many requests, and a further one when its streams are taken.
//!
//! What a server may make us hold is bounded here; `docs/decisions/2026-11-24-http2-upstreams.md` says by what.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{self, Builder, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio::sync::Mutex;

use super::connect::{ConnectError, Target};
use super::server::Sendable;

/// Requests that we put on one connection, if the server allows as many.
const STREAMS: u32 = 100;
/// What a server may send of one answer before its client has taken it.
const STREAM_WINDOW: u32 = 64 << 10;
/// Room for all of them: a client that takes nothing holds up nobody else's answer.
const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;
/// What waits of one request's body for a server that does not take it.
const SEND_BUFFER: usize = 64 << 10;
/// An answer's head and its trailers, each.
const HEAD: u32 = 64 << 10;
/// A connection without requests goes after so many ticks (seconds).
const MOST_TICKS: u32 = 30;
/// Nothing was heard for so long when a request was given up: later ones use another connection.
const SILENCE: u32 = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Connections<B> {
    open: RefCell<Vec<Rc<Connection<B>>>>,
    opening: Mutex<()>,
    now: Rc<Cell<u32>>,
}

struct Connection<B> {
    requests: SendRequest<B>,
    /// How many streams the server allows at present; none: the connection is closed.
    allowed: Box<dyn Fn() -> Option<usize>>,
    streams: Cell<usize>,
    /// When something was last heard, or a request ended.
    heard: Cell<u32>,
    /// It finishes what it has.
    retired: Cell<bool>,
    now: Rc<Cell<u32>>,
}

/// One request on a connection, until its answer is complete or given up.
#[derive(Debug)]
pub(super) struct Stream<B> {
    connection: Rc<Connection<B>>,
    since: u32,
    complete: bool,
}

/// Runs what belongs to a connection on this core.
#[derive(Debug, Clone, Copy)]
pub(super) struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// How HTTP/2 is spoken to servers.
pub(super) fn builder() -> Builder<Local> {
    let mut builder = Builder::new(Local);
    builder
        .initial_max_send_streams(usize::try_from(STREAMS).unwrap_or(usize::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(HEAD);
    builder
}

impl<B> Default for Connections<B> {
    fn default() -> Self {
        Self { open: RefCell::default(), opening: Mutex::default(), now: Rc::default() }
    }
}

impl<B> Connections<B> {
    /// One tick of the core passed: what has been idle for too long, or is retired, goes.
    pub(super) fn tick(&self) {
        self.now.set(self.now.get().wrapping_add(1));
        let stays = |connection: &Rc<Connection<B>>| {
            let idle = self.now.get().wrapping_sub(connection.heard.get());
            connection.serves() && (connection.streams.get() > 0 || idle < MOST_TICKS)
        };
        self.open.borrow_mut().retain(stays);
    }

    /// How many connections are idle.
    pub(super) fn idle(&self) -> usize {
        self.open.borrow().iter().filter(|connection| connection.streams.get() == 0).count()
    }

    fn free(&self) -> Option<Stream<B>> {
        let mut open = self.open.borrow_mut();
        open.retain(|connection| connection.serves());
        open.iter().find(|connection| connection.has_room()).map(Stream::on)
    }
}

impl<B: Sendable> Connections<B> {
    /// A place for one request, on a new connection if there is none on those that are open: true if so. Requests that
    /// come while one is being opened wait for it.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub(super) async fn stream(
        &self,
        target: &Target,
        limit: Duration,
    ) -> Result<(Stream<B>, bool), ConnectError> {
        if let Some(stream) = self.free() {
            return Ok((stream, false));
        }
        let opening = tokio::time::timeout(limit, self.opening.lock()).await;
        let _opening = opening.map_err(|_| ConnectError::Timeout(limit))?;
        if let Some(stream) = self.free() {
            return Ok((stream, false));
        }
        let connection = Rc::new(Connection::open(target, limit, &self.now).await?);
        self.open.borrow_mut().push(Rc::clone(&connection));
        Ok((Stream::on(&connection), true))
    }
}

impl<B: Sendable> Connection<B> {
    async fn open(target: &Target, limit: Duration, now: &Rc<Cell<u32>>) -> Result<Self, ConnectError> {
        let io = TokioIo::new(target.connect(limit).await?);
        let (requests, connection) = builder().handshake(io).await?;
        let connection = Rc::new(RefCell::new(Some(connection)));
        tokio::task::spawn_local(run(Rc::clone(&connection)));
        let allowed = move || {
            let connection = connection.try_borrow().ok()?;
            connection.as_ref().map(http2::Connection::current_max_send_streams)
        };
        Ok(Self {
            requests,
            allowed: Box::new(allowed),
            streams: Cell::new(0),
            heard: Cell::new(now.get()),
            retired: Cell::new(false),
            now: Rc::clone(now),
        })
    }
}

type Running<B> = Rc<RefCell<Option<http2::Connection<TokioIo<super::connect::Stream>, B, Local>>>>;

/// Until it is closed, and then nothing of it is kept.
async fn run<B: Sendable>(connection: Running<B>) {
    let ended = std::future::poll_fn(|cx| match connection.borrow_mut().as_mut() {
        Some(connection) => std::pin::Pin::new(connection).poll(cx),
        None => std::task::Poll::Ready(Ok(())),
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, "upstream connection");
    }
    let ended = connection.borrow_mut().take();
    drop(ended);
}

impl<B> Connection<B> {
    fn serves(&self) -> bool {
        !self.retired.get() && !self.requests.is_closed()
    }

    fn has_room(&self) -> bool {
        let most = (self.allowed)().map(|most| most.min(usize::try_from(STREAMS).unwrap_or(usize::MAX)));
        most.is_some_and(|most| self.streams.get() < most)
    }
}

impl<B> Stream<B> {
    fn on(connection: &Rc<Connection<B>>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self { connection: Rc::clone(connection), since: connection.now.get(), complete: false }
    }

    /// The answer is complete.
    pub(super) fn completed(mut self) {
        self.complete = true;
    }

    /// The connection takes no more requests.
    pub(super) fn retire(&self) {
        self.connection.retired.set(true);
    }

    fn hear(&self) {
        self.connection.heard.set(self.connection.now.get());
    }
}

impl<B: Sendable> Stream<B> {
    /// Sends the request. It comes back with the error if nothing of it was written.
    pub(super) async fn send(
        &self,
        request: Request<B>,
    ) -> Result<Response<Incoming>, TrySendError<Request<B>>> {
        let answer = self.connection.requests.clone().try_send_request(request).await;
        self.hear();
        answer
    }
}

impl<B> Drop for Stream<B> {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.streams.set(connection.streams.get() - 1);
        let now = connection.now.get();
        let silent = now.wrapping_sub(self.since).min(now.wrapping_sub(connection.heard.get()));
        if !self.complete && silent >= SILENCE {
            // Perhaps the server is gone without a word, and nobody else should have to find out.
            self.retire();
        }
        if self.complete || connection.streams.get() == 0 {
            self.hear();
        }
    }
}

impl<B> fmt::Debug for Connection<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("streams", &self.streams).finish_non_exhaustive()
    }
}
