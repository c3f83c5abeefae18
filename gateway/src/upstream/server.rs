//! One server of an upstream, as one core sees it: its pool, what is under way there, and whether it is down.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use http::header::{HOST, HeaderValue};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use super::connect::{ConnectError, Target};
use super::pool::Pool;

/// How many ticks (seconds) a server that refused a connection is passed over while another one lives.
const DOWN_TICKS: u32 = 2;

/// How long a request's body may go on once its answer is complete: whoever answered early wants little more of it.
const REST_OF_BODY: Duration = Duration::from_secs(10);

/// What a request body must be so that hyper can send it.
pub trait Sendable:
    Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static
{
}

impl<B> Sendable for B where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static
{
}

/// See the module.
#[derive(Debug)]
pub(super) struct Server<B> {
    target: Target,
    host: HeaderValue,
    pool: Pool<B>,
    under_way: Cell<usize>,
    down_for: Cell<u32>,
}

/// A connection. Dropped, it is closed at once: hyper would go on writing a body to a server that reads none of it.
#[derive(Debug)]
pub(super) struct Sender<B> {
    pub(super) requests: SendRequest<B>,
    task: AbortHandle,
}

impl<B> Drop for Sender<B> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a server gave no answer.
#[derive(Debug)]
pub(super) enum Failure<B> {
    /// Nothing was sent, so the request may go elsewhere.
    Unsent(Box<Request<B>>, ConnectError),
    /// The server may have seen the request: it must not be sent again.
    Broken(hyper::Error),
}

/// The connection of an exchange that is under way; goes back to its pool only by [`Lease::give_back`].
#[derive(Debug)]
pub struct Lease<B> {
    sender: Sender<B>,
    at: UnderWay<B>,
}

/// Counts itself among what a server has under way, until dropped.
#[derive(Debug)]
struct UnderWay<B>(Rc<Server<B>>);

impl<B> UnderWay<B> {
    fn at(server: &Rc<Server<B>>) -> Self {
        server.under_way.set(server.under_way.get() + 1);
        Self(Rc::clone(server))
    }
}

impl<B> Drop for UnderWay<B> {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
    }
}

impl<B: Sendable> Server<B> {
    /// A server that nobody has spoken to yet. `host` goes into `Host`.
    pub(super) fn new(target: Target, host: HeaderValue) -> Self {
        Self { target, host, pool: Pool::default(), under_way: Cell::new(0), down_for: Cell::new(0) }
    }

    /// How many requests are under way there.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.get()
    }

    /// Whether it refused a connection a moment ago.
    pub(super) fn is_down(&self) -> bool {
        self.down_for.get() > 0
    }

    /// A second passed.
    pub(super) fn tick(&self) {
        self.pool.tick();
        self.down_for.set(self.down_for.get().saturating_sub(1));
    }

    /// How many connections are idle.
    pub(super) fn idle(&self) -> usize {
        self.pool.len()
    }

    /// Sends over an idle connection, or over a new one when there is none left that takes the request.
    pub(super) async fn send(
        self: &Rc<Self>,
        mut request: Request<B>,
        limit: Duration,
    ) -> Result<(Response<Incoming>, Lease<B>), Failure<B>> {
        let at = UnderWay::at(self);
        request.headers_mut().insert(HOST, self.host.clone());
        while let Some(mut sender) = self.pool.take() {
            // The peer may have closed since anybody looked. hyper hands back what it has not begun to write.
            match sender.requests.try_send_request(request).await {
                Ok(response) => return Ok((response, Lease { sender, at })),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Failure::Broken(error.into_error())),
                },
            }
        }
        // Rare, and large for the handshake in it: kept out of the future that every request is.
        Box::pin(self.send_fresh(request, limit, at)).await
    }

    async fn send_fresh(
        &self,
        request: Request<B>,
        limit: Duration,
        at: UnderWay<B>,
    ) -> Result<(Response<Incoming>, Lease<B>), Failure<B>> {
        let mut sender = match self.connect(limit).await {
            Ok(sender) => sender,
            Err(error) => {
                self.down_for.set(DOWN_TICKS);
                return Err(Failure::Unsent(Box::new(request), error));
            }
        };
        self.down_for.set(0);
        match sender.requests.try_send_request(request).await {
            Ok(response) => Ok((response, Lease { sender, at })),
            Err(mut error) => Err(match error.take_message() {
                Some(unsent) => Failure::Unsent(Box::new(unsent), error.into_error().into()),
                None => Failure::Broken(error.into_error()),
            }),
        }
    }

    async fn connect(&self, limit: Duration) -> Result<Sender<B>, ConnectError> {
        let stream = self.target.connect(limit).await?;
        let (sender, connection) = http1::Builder::new().handshake(TokioIo::new(stream)).await?;
        // The task owns the connection and drops it when it resolves: resolved but kept, it would leave a
        // request that was queued meanwhile without an answer.
        let task = tokio::task::spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "upstream connection");
            }
        });
        Ok(Sender { requests: sender, task: task.abort_handle() })
    }
}

impl<B: 'static> Lease<B> {
    /// The answer is complete: the connection may serve again.
    pub fn give_back(self) {
        let Self { mut sender, at } = self;
        if sender.requests.is_ready() {
            at.0.pool.put(sender);
        } else if !sender.requests.is_closed() {
            // The request body is still on its way, or the connection's task has not run since the last byte.
            tokio::task::spawn_local(async move {
                let ready = tokio::time::timeout(REST_OF_BODY, sender.requests.ready()).await;
                if ready.is_ok_and(|ready| ready.is_ok()) {
                    at.0.pool.put(sender);
                }
            });
        }
    }
}
