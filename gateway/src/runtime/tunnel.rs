//! A connection that has become a websocket: bytes both ways, until either side ends it, its token ends, nothing moves
//! any more, or the process stops.
//!
//! Looks at nothing but where frames begin, so that a goodbye of its own comes between two of them.

mod frames;
mod pipe;

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use self::frames::Frames;
use self::pipe::Pipe;
use super::connection::overdue;
use super::connections::{Place, Stage};
use super::stream::Stream;
use super::watch::{Expired, Watch};
use crate::pipeline::body::Switched;
use crate::pipeline::observe::Exchange;

/// How long a client may take for our goodbye, and for its own.
const FAREWELL: Duration = Duration::from_secs(3);

/// An upstream's side of a websocket, and the exchange that ends with it.
#[derive(Debug)]
pub struct Tunnel {
    switched: Switched,
    exchange: Exchange,
}

/// Why a tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// One side closed, and the other has all that it sent before.
    Complete,
    /// A connection broke, or the client takes nothing any more.
    Broken,
    /// A time limit, or the token's end.
    Expired(Expired),
    /// The process stops.
    Leaving,
}

impl End {
    /// The status and reason of a close frame (RFC 6455 section 7.4), if one is due.
    const fn farewell(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Complete | Self::Broken => None,
            Self::Expired(Expired::Token) => Some((1008, "token_expired")),
            Self::Expired(Expired::Revoked) => Some((1008, "token_revoked")),
            Self::Expired(_) => Some((1001, "idle")),
            Self::Leaving => Some((1001, "going_away")),
        }
    }
}

impl Tunnel {
    /// The upstream has switched; the client's answer is on its way.
    pub fn new(switched: Switched, mut exchange: Exchange) -> Self {
        exchange.switched();
        Self { switched, exchange }
    }

    /// Moves bytes to the end. `early` is what the client sent before it had its answer.
    pub(super) async fn run(self, mut client: Stream, early: Bytes, watch: &Rc<Watch>, place: &Place) {
        let Self { switched: Switched { upgrade, lease }, mut exchange } = self;
        let mut upstream = match upgrade.await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return tracing::debug!(%error, "a websocket's upstream was lost"),
        };
        let mut flow = Flow { up: Pipe::holding(early), down: Pipe::default(), frames: Frames::default() };
        let end = flow.until_its_end(&mut client, &mut upstream, watch, place).await;
        exchange.received(flow.up.moved());
        exchange.sent(flow.down.moved());
        if end == End::Complete {
            exchange.completed();
        }
        drop((upstream, lease));
        let frame = end.farewell().filter(|_| flow.may_interject());
        let frame = frame.map(|(status, reason)| frames::close(status, reason)).unwrap_or_default();
        if end != End::Broken {
            // Whatever the client is still sending must not reset the connection before it has read the last frame.
            watch.leave_undrained();
            let _ = tokio::time::timeout(FAREWELL, say_goodbye(&mut client, &frame)).await;
        }
    }
}

async fn say_goodbye(client: &mut Stream, frame: &[u8]) -> std::io::Result<()> {
    client.write_all(frame).await?;
    client.flush().await?;
    client.shutdown().await
}

/// Both directions.
struct Flow {
    up: Pipe,
    down: Pipe,
    frames: Frames,
}

impl Flow {
    async fn until_its_end<U: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        client: &mut Stream,
        upstream: &mut U,
        watch: &Rc<Watch>,
        place: &Place,
    ) -> End {
        watch.download_waits();
        // Asks at once: the token may end sooner than the connection would have looked.
        let mut timer = pin!(tokio::time::sleep_until(Instant::now().into()));
        poll_fn(|cx| {
            if overdue(watch, timer.as_mut(), cx) {
                return Poll::Ready(End::Broken);
            }
            if let Some(expired) = watch.expired() {
                return Poll::Ready(End::Expired(expired));
            }
            if place.stage() == Stage::Over {
                return Poll::Ready(End::Leaving);
            }
            let before = self.up.moved() + self.down.moved();
            let end = self.poll(client, upstream, cx);
            if self.up.moved() + self.down.moved() > before {
                watch.download_moved();
                watch.download_waits();
            }
            end
        })
        .await
    }

    /// A websocket has no use for half a connection: the first end is the end.
    fn poll<U: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        client: &mut Stream,
        upstream: &mut U,
        cx: &mut Context<'_>,
    ) -> Poll<End> {
        let frames = &mut self.frames;
        let down = self.down.poll(upstream, client, &mut |bytes| frames.pass(bytes), cx);
        let up = self.up.poll(client, upstream, &mut |_| {}, cx);
        match (down, up) {
            (Poll::Ready(Ok(())), _) | (_, Poll::Ready(Ok(()))) => Poll::Ready(End::Complete),
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => Poll::Ready(End::Broken),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
        }
    }

    fn may_interject(&self) -> bool {
        self.down.is_empty() && self.frames.are_between()
    }
}
