//! One client connection: TLS if there is any, then HTTP/2 if the client chose it, else HTTP/1.1, until either side has had enough.

use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::HeaderValue;
use hyper::server::conn::http1::{self, Parts};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::Sleep;

use super::connections::{Place, Stage};
use super::core::{Accepted, Current, Purpose};
use super::http2;
use super::opening::{Opened, Opening};
use super::stream::Stream;
use super::tls::{Handshakes, Shown};
use super::tunnel::Tunnel;
use super::watch::{Limits, Verdict, Watch};
use crate::gateway::handle;
use crate::pipeline::canonical::host_name;

/// Whom a connection belongs to.
#[derive(Debug)]
pub struct Peer {
    /// The other end: the client, or a proxy.
    pub address: IpAddr,
    /// What its requests want.
    pub purpose: Purpose,
    /// What it was shown, if it speaks TLS to us.
    pub shown: Option<Shown>,
    /// The connection's time limits.
    pub watch: Rc<Watch>,
    /// What the connection goes on as, once the answer that says so is out.
    pub tunnel: RefCell<Option<Tunnel>>,
}

impl Peer {
    /// The same, for one stream of the connection.
    pub(super) fn stream(&self, watch: Rc<Watch>) -> Self {
        Self {
            address: self.address,
            purpose: self.purpose,
            shown: self.shown.clone(),
            watch,
            tunnel: RefCell::default(),
        }
    }

    /// Whether a request for this host may come over this connection.
    pub fn may_ask_for(&self, host: Option<&HeaderValue>) -> bool {
        let Some(shown) = &self.shown else { return true };
        host.and_then(|host| host_name(host.to_str().ok()?)).is_some_and(|name| shown.is_for(name))
    }
}

/// How connections of one core are served that come in under its present configuration.
pub struct Door {
    current: Rc<Current>,
    opening: Opening,
    http: http1::Builder,
    head: usize,
    limits: Limits,
}

impl Door {
    /// Takes the limits from the configuration. A connection keeps them; its requests look at `current` anew.
    pub fn new(current: &Rc<Current>, tls: Option<Handshakes>) -> Self {
        let core = current.get();
        let (timeouts, limits) = (&core.gateway.config.timeouts, &core.gateway.config.limits);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            // The connection's own watch keeps the time, and needs no timer per request.
            .header_read_timeout(None)
            .max_header_size(limits.head)
            .max_buf_size(limits.head.max(MIN_BUFFER));
        let (head, limits) = (
            limits.head,
            Limits {
                head: timeouts.head,
                first_byte: timeouts.first_byte,
                idle: timeouts.idle,
                min_rate: timeouts.min_rate,
            },
        );
        let opening = Opening::new(&core.gateway, tls);
        Self { current: Rc::clone(current), opening, http, head, limits }
    }

    /// Serves a socket as a task of this core.
    pub fn enter(&self, accepted: Accepted, place: Place) {
        let watch = Rc::new(Watch::new(self.limits, Instant::now()));
        let (head, limits, purpose) = (self.head, self.limits, accepted.purpose);
        let (current, opening, http) = (Rc::clone(&self.current), self.opening.clone(), self.http.clone());
        tokio::task::spawn_local(async move {
            let Opened { stream, address, shown, seat: _seat } =
                match opening.open(accepted, Rc::clone(&watch)).await {
                    Ok(opened) => opened,
                    Err(error) => {
                        return tracing::debug!(error = &error as &dyn Error, "a connection was not opened");
                    }
                };
            let peer = Rc::new(Peer { address, purpose, shown, watch, tunnel: RefCell::default() });
            if stream.is_http2() {
                // Large, and not to be part of what every connection is.
                Box::pin(http2::serve(stream, head, limits, current, &peer, &place)).await;
            } else {
                serve(stream, &http, current, peer, &place).await;
            }
        });
    }
}

/// Room for a head, and enough for bodies to be read in pieces that are worth a call.
const MIN_BUFFER: usize = 64 << 10;

async fn serve(stream: Stream, http: &http1::Builder, current: Rc<Current>, peer: Rc<Peer>, place: &Place) {
    let watch = Rc::clone(&peer.watch);
    let service = service_fn(|request| {
        let (core, peer) = (current.get(), Rc::clone(&peer));
        async move { Ok::<_, Infallible>(handle(&core, &peer, request).await) }
    });
    let mut connection = http.serve_connection(TokioIo::new(stream), service);
    let mut timer = pin!(tokio::time::sleep_until(watch.first_check(Instant::now()).into()));
    let mut told = false;
    let is_whole = poll_fn(|cx| {
        place.remember(cx.waker(), &watch);
        if overdue(&watch, timer.as_mut(), cx) {
            return Poll::Ready(false);
        }
        let mut connection = Pin::new(&mut connection);
        if place.stage() >= Stage::Closing && !std::mem::replace(&mut told, true) {
            connection.as_mut().graceful_shutdown();
        }
        let end = connection.poll(cx);
        arm_sooner(&watch, timer.as_mut(), cx);
        end.map(|end| end.inspect_err(|error| tracing::debug!(%error, "client connection")).is_ok())
    })
    .await;
    let tunnel = peer.tunnel.take().filter(|_| is_whole);
    if let Some(tunnel) = tunnel {
        let Parts { io, read_buf, .. } = connection.into_parts();
        // Rare, and not to be part of what every connection is.
        Box::pin(tunnel.run(io.into_inner(), read_buf, &watch, place)).await;
    }
}

/// Arms the timer anew if what was just done must be looked at before it runs out.
pub(super) fn arm_sooner(watch: &Watch, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) {
    if let Some(sooner) = watch.sooner() {
        timer.as_mut().reset(sooner.into());
        if timer.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

/// Looks at the watch whenever the timer has run out, and arms it again; answers whether the connection must go.
pub(super) fn overdue(watch: &Watch, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> bool {
    while timer.as_mut().poll(cx).is_ready() {
        match watch.check(Instant::now()) {
            Verdict::Close => return true,
            // The exchange itself sees what expired when it is polled next, right after this.
            Verdict::Expired(next) | Verdict::Fine(next) => timer.as_mut().reset(next.into()),
        }
    }
    false
}
