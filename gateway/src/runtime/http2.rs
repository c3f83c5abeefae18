//! HTTP/2 to one client: every stream is a task with a [`Watch`] of its own, so that the limits of a request are the
//! same as over HTTP/1.1, and the connection's own watch says how long it may be without any.
//!
//! What a client may make us hold or do is bounded here; `docs/decisions/2026-11-24-http2.md` says by what.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use hyper::rt::Executor;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::connection::{Peer, arm_sooner, overdue};
use super::connections::{Connections, Place, Stage};
use super::core::Current;
use super::stream::Stream;
use super::watch::{Limits, Watch};
use crate::gateway::handle;

/// Requests that may be under way on one connection.
const STREAMS: u32 = 100;
/// What a client may send of one request, and of all, before anybody has taken it.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// What waits of one answer for a client that does not take it, beside the piece that its upstream sent last.
const SEND_BUFFER: usize = 64 << 10;
/// Streams that a client opened and reset before we looked (CVE-2023-44487), and streams that we reset for its
/// errors: one more, and the connection ends.
const PENDING_RESETS: usize = 20;
const ERROR_RESETS: usize = 128;

/// What the streams of a connection share.
struct Shared {
    connections: Rc<Connections>,
    connection: Rc<Watch>,
    limits: Limits,
    open: Cell<usize>,
    /// The seat of the stream whose request has just been taken: hyper hands its task over next.
    next: Cell<Option<Seat>>,
}

/// One stream under watch.
struct Seat {
    shared: Rc<Shared>,
    watch: Rc<Watch>,
    place: Place,
}

/// Runs the tasks of streams on this core.
#[derive(Clone)]
struct Streams(Rc<Shared>);

/// Serves a connection until either side has had enough.
pub(super) async fn serve(
    stream: Stream,
    head: usize,
    limits: Limits,
    current: Rc<Current>,
    peer: &Peer,
    place: &Place,
) {
    let (connections, connection) = (Rc::clone(place.connections()), Rc::clone(&peer.watch));
    let shared =
        Rc::new(Shared { connections, connection, limits, open: Cell::new(0), next: Cell::default() });
    let builder = builder(&shared, head);
    let service = service_fn(|request| {
        let (core, seat) = (current.get(), shared.seat());
        let peer = peer.stream(Rc::clone(&seat.watch));
        shared.next.set(Some(seat));
        async move { Ok::<_, Infallible>(handle(&core, &peer, request).await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let watch = &peer.watch;
    let mut timer = pin!(tokio::time::sleep_until(watch.first_check(Instant::now()).into()));
    let mut told = false;
    poll_fn(|cx| {
        place.remember(cx.waker(), watch);
        if overdue(watch, timer.as_mut(), cx) {
            return Poll::Ready(());
        }
        // GOAWAY: no request is lost by it, so nobody need wait for a last one.
        if place.stage() > Stage::Serving && !std::mem::replace(&mut told, true) {
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx).map(|end| {
            if let Err(error) = end {
                tracing::debug!(%error, "client connection");
            }
        })
    })
    .await;
}

fn builder(shared: &Rc<Shared>, head: usize) -> Builder<Streams> {
    let mut builder = Builder::new(Streams(Rc::clone(shared)));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(ERROR_RESETS)
        .keep_alive_interval(shared.limits.idle)
        .keep_alive_timeout(shared.limits.head);
    builder
}

impl Shared {
    fn seat(self: &Rc<Self>) -> Seat {
        self.open.set(self.open.get() + 1);
        self.connection.is_busy();
        Seat {
            shared: Rc::clone(self),
            watch: Rc::new(Watch::of_stream(self.limits, Instant::now())),
            place: self.connections.enter_stream(),
        }
    }
}

impl Seat {
    /// Gives a stream up when its watch says so; the client sees a reset.
    async fn watch_over(self, stream: impl Future<Output = ()>) {
        let mut stream = pin!(stream);
        let mut timer = pin!(tokio::time::sleep_until(self.watch.first_check(Instant::now()).into()));
        poll_fn(|cx| {
            self.place.remember(cx.waker(), &self.watch);
            if overdue(&self.watch, timer.as_mut(), cx) {
                return Poll::Ready(());
            }
            let end = stream.as_mut().poll(cx);
            arm_sooner(&self.watch, timer.as_mut(), cx);
            end
        })
        .await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let open = self.shared.open.get() - 1;
        self.shared.open.set(open);
        if open == 0 {
            self.shared.connection.rests(Instant::now());
        }
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        match self.0.next.take() {
            Some(seat) => tokio::task::spawn_local(seat.watch_over(stream)),
            None => tokio::task::spawn_local(stream),
        };
    }
}
