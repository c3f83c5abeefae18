//! One server of an upstream, as one core sees it: its pool, what is under way there, and how its answers are.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::HOST;
use http::uri::{PathAndQuery, Uri};
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use super::broken::{is_ours, is_refused};
use super::choose::Candidate;
use super::cluster::{Cluster, Fault};
use super::connect::ConnectError;
use super::member::Member;
use super::multiplex::{Connections, Stream};
use super::pool::Pool;
use super::retry;
use super::standing::share;

/// How long a request's body may go on once its answer is complete: whoever answered early wants little more of it.
const REST_OF_BODY: Duration = Duration::from_secs(10);
/// How many HTTP/2 connections may turn a request down before it is said that the server does.
const MOST_CONNECTIONS: usize = 3;

/// What a request body must be so that hyper can send it.
pub trait Sendable:
    Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static
{
    /// A body of nothing, if this is one: such a request can be made twice.
    fn nothing(&self) -> Option<Self>
    where
        Self: Sized;
}

/// See the module.
#[derive(Debug)]
pub(super) struct Server<B> {
    cluster: Arc<Cluster>,
    member: Arc<Member>,
    /// The member's name, to be shared on this core.
    name: Rc<str>,
    pool: Pool<B>,
    connections: Connections<B>,
    under_way: Cell<usize>,
    returned: Cell<Option<Instant>>,
    share: Cell<u8>,
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
    way: Way<B>,
    at: UnderWay<B>,
    /// How long connecting took, if it was for this exchange.
    connecting: Option<Duration>,
}

/// Who answered, for the log.
#[derive(Debug, Clone)]
pub struct Answerer {
    /// The server as the configuration writes it.
    pub server: Rc<str>,
    /// How long connecting took; none over a connection that was open already.
    pub connecting: Option<Duration>,
}

#[derive(Debug)]
enum Way<B> {
    /// HTTP/1.1: the connection is the exchange's own.
    Alone(Sender<B>),
    /// HTTP/2: one of many on its connection.
    Shared(Stream<B>),
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

impl<B> Candidate for Rc<Server<B>> {
    fn under_way(&self) -> usize {
        self.under_way.get()
    }

    fn share(&self) -> u8 {
        self.share.get()
    }
}

impl<B: Sendable> Server<B> {
    /// A server to which this core has not spoken yet.
    pub(super) fn new(cluster: &Arc<Cluster>, member: &Arc<Member>) -> Rc<Self> {
        Rc::new(Self {
            cluster: Arc::clone(cluster),
            member: Arc::clone(member),
            name: member.name().into(),
            pool: Pool::default(),
            connections: Connections::default(),
            under_way: Cell::new(0),
            returned: Cell::new(None),
            share: Cell::new(100),
        })
    }

    /// What all cores know of it.
    pub(super) const fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// When it came back, if it did: from then on its share grows.
    pub(super) fn returned(&self, at: Option<Instant>, now: Instant) {
        self.returned.set(at);
        self.share.set(at.map_or(100, |at| share(now.saturating_duration_since(at))));
    }

    /// A second passed.
    pub(super) fn tick(&self, now: Instant) {
        self.pool.tick();
        self.connections.tick();
        self.returned(self.returned.get(), now);
    }

    /// How many connections are idle.
    pub(super) fn idle(&self) -> usize {
        self.pool.len() + self.connections.idle()
    }

    /// Sends over an idle connection, or over a new one when there is none left that takes the request.
    pub(super) async fn send(
        self: &Rc<Self>,
        mut request: Request<B>,
        limit: Duration,
    ) -> Result<(Response<Incoming>, Lease<B>), Failure<B>> {
        let at = UnderWay::at(self);
        if self.member.target().is_http2() {
            // Kept out of the future that every request over HTTP/1.1 is.
            return Box::pin(self.send_shared(request, limit, at)).await;
        }
        request.headers_mut().insert(HOST, self.member.host().clone());
        while let Some(mut sender) = self.pool.take() {
            // The peer may have closed since anybody looked. hyper hands back what it has not begun to write.
            match sender.requests.try_send_request(request).await {
                Ok(response) => {
                    self.answered(response.status());
                    return Ok((response, Lease { way: Way::Alone(sender), at, connecting: None }));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(self.broken(error.into_error())),
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
        let began = Instant::now();
        let mut sender = match self.connect(limit).await {
            Ok(sender) => sender,
            Err(error) => {
                self.cluster.failed(&self.member, Fault::Connect, Instant::now());
                return Err(Failure::Unsent(Box::new(request), error));
            }
        };
        let connecting = Some(began.elapsed());
        match sender.requests.try_send_request(request).await {
            Ok(response) => {
                self.answered(response.status());
                Ok((response, Lease { way: Way::Alone(sender), at, connecting }))
            }
            Err(mut error) => Err(match error.take_message() {
                Some(unsent) => {
                    self.cluster.failed(&self.member, Fault::Answer, Instant::now());
                    Failure::Unsent(Box::new(unsent), error.into_error().into())
                }
                None => self.broken(error.into_error()),
            }),
        }
    }

    /// Sends over a connection that others may use too. What the server says it has not looked at goes over another
    /// one, once, if there is no body of it that is used up.
    async fn send_shared(
        &self,
        mut request: Request<B>,
        limit: Duration,
        at: UnderWay<B>,
    ) -> Result<(Response<Incoming>, Lease<B>), Failure<B>> {
        address(&mut request, &self.member);
        let mut copy = retry::bodiless(&request);
        let (mut connections, began) = (0, Instant::now());
        loop {
            let (stream, is_new) = match self.connections.stream(self.member.target(), limit).await {
                Ok(stream) => stream,
                Err(error) => {
                    self.cluster.failed(&self.member, Fault::Connect, Instant::now());
                    return Err(Failure::Unsent(Box::new(request), error));
                }
            };
            connections += 1;
            let connecting = is_new.then(|| began.elapsed());
            let mut error = match stream.send(request).await {
                Ok(response) => {
                    self.answered(response.status());
                    return Ok((response, Lease { way: Way::Shared(stream), at, connecting }));
                }
                Err(error) => error,
            };
            let (unsent, error) = (error.take_message(), error.into_error());
            if let Some(unsent) = unsent {
                stream.retire();
                if connections == MOST_CONNECTIONS {
                    self.cluster.failed(&self.member, Fault::Answer, Instant::now());
                    return Err(Failure::Unsent(Box::new(unsent), error.into()));
                }
                request = unsent;
            } else {
                let Some(copied) = copy.take().filter(|_| is_refused(&error)) else {
                    return Err(self.broken(error));
                };
                request = copied;
            }
        }
    }

    /// 502 and 504 say that whatever is behind the server does not answer it. 503 is how a server that has too much to
    /// do defends itself: passing it over would give its work to the others, until they say the same.
    fn answered(&self, status: StatusCode) {
        if matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT) {
            self.cluster.failed(&self.member, Fault::Answer, Instant::now());
        } else {
            self.member.succeeded();
        }
    }

    fn broken(&self, error: hyper::Error) -> Failure<B> {
        // A client that broke off its body, or a server that leaves or has enough to do, is no fault of the server.
        if !is_ours(&error) && !is_refused(&error) {
            self.cluster.failed(&self.member, Fault::Answer, Instant::now());
        }
        Failure::Broken(error)
    }

    async fn connect(&self, limit: Duration) -> Result<Sender<B>, ConnectError> {
        let stream = self.member.target().connect(limit).await?;
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
    /// Who answered.
    pub fn answerer(&self) -> Answerer {
        Answerer { server: Rc::clone(&self.at.0.name), connecting: self.connecting }
    }

    /// The answer is complete: the connection may serve again.
    pub fn give_back(self) {
        let Self { way, at, .. } = self;
        let mut sender = match way {
            Way::Alone(sender) => sender,
            Way::Shared(stream) => return stream.completed(),
        };
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

/// Says in a request where it goes, as HTTP/2 has it: in its target, and not in `Host`.
pub(super) fn address<B>(request: &mut Request<B>, member: &Member) {
    let Some((scheme, authority)) = member.target().origin() else { return };
    request.headers_mut().remove(HOST);
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(scheme);
    parts.authority = Some(authority);
    parts.path_and_query.get_or_insert(const { PathAndQuery::from_static("/") });
    // All three parts are there, so there is nothing to refuse.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}
