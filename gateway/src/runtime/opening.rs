//! What comes before HTTP on a connection: a proxy's word on who is behind it, and TLS. Each has as long as a request
//! head.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::core::{Accepted, Purpose, canonical};
use super::proxy_header::{self, BadHeader};
use super::stream::{Socket, Stream};
use super::tls::{Handshakes, Shown};
use super::watch::Watch;
use crate::gateway::Gateway;
use crate::pipeline::limit::network;
use crate::under_way::seats::{Seat, Seats};

/// How connections are opened under one configuration.
#[derive(Clone)]
pub(super) struct Opening {
    tls: Option<Handshakes>,
    /// Whose PROXY headers are read; none: nobody sends one.
    proxies: Option<Rc<[IpNet]>>,
    /// How many connections an address may have; none: any number.
    seating: Option<Rc<Seating>>,
}

/// The limit to an address's connections, and whom it does not bind.
struct Seating {
    most: usize,
    trusted: Vec<IpNet>,
    seats: Arc<Seats>,
}

/// A connection over which HTTP may be spoken.
pub(super) struct Opened {
    pub(super) stream: Stream,
    /// The other end's address: the client's, or that of a proxy whose HTTP headers tell more.
    pub(super) address: IpAddr,
    /// What the client was shown, if it speaks TLS.
    pub(super) shown: Option<Shown>,
    /// Counts it among its address's, where those are limited.
    pub(super) seat: Option<Seat>,
}

/// Why there will be no HTTP.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unopened {
    /// The socket, or TLS.
    #[error("the connection could not be opened")]
    Io(#[from] io::Error),
    /// Somebody who is no proxy of ours.
    #[error("{0} is none of `trusted_proxies`, whom `proxy_protocol` is for")]
    Stranger(IpAddr),
    /// One too many.
    #[error("{0} has as many connections as an address may have")]
    Crowd(IpAddr),
    /// A proxy that does not say what it must.
    #[error(transparent)]
    ProxyHeader(#[from] BadHeader),
}

impl Opening {
    pub(super) fn new(gateway: &Gateway, tls: Option<Handshakes>) -> Self {
        let config = &gateway.config;
        let seating = |most| {
            let (trusted, seats) = (config.trusted_proxies.clone(), Arc::clone(&gateway.under_way.seats));
            Rc::new(Seating { most, trusted, seats })
        };
        Self {
            tls,
            proxies: config.proxy_protocol.then(|| config.trusted_proxies.clone().into()),
            seating: config.limits.connections_per_address.map(seating),
        }
    }

    /// A proxy that asks speaks plain HTTP/1.1, and for itself.
    pub(super) async fn open(&self, accepted: Accepted, watch: Rc<Watch>) -> Result<Opened, Unopened> {
        if accepted.purpose == Purpose::Verify {
            let (socket, address) = (TcpStream::from_std(accepted.socket)?, canonical(accepted.peer));
            let stream = Stream::new(Socket::Plain(socket), watch);
            return Ok(Opened { stream, address, shown: None, seat: None });
        }
        let mut socket = TcpStream::from_std(accepted.socket)?;
        let mut address = canonical(accepted.peer);
        let limit = watch.head_limit();
        if let Some(proxies) = &self.proxies {
            if !proxies.iter().any(|proxy| proxy.contains(&address)) {
                return Err(Unopened::Stranger(address));
            }
            let told = timeout(limit, proxy_header::read(&mut socket)).await.map_err(io::Error::from)??;
            address = told.unwrap_or(address);
        }
        // Before TLS, whose handshake is what such a connection would cost most by.
        let seat = self.seating.as_ref().map_or(Ok(None), |seating| seating.seat(address))?;
        let Some(tls) = &self.tls else {
            let stream = Stream::new(Socket::Plain(socket), watch);
            return Ok(Opened { stream, address, shown: None, seat });
        };
        let (socket, shown) = timeout(limit, tls.accept(socket)).await.map_err(io::Error::from)??;
        let stream = Stream::new(Socket::Tls(Box::new(socket)), watch);
        Ok(Opened { stream, address, shown: Some(shown), seat })
    }
}

impl Seating {
    /// None for trusted proxies, who bring everybody's requests.
    fn seat(&self, address: IpAddr) -> Result<Option<Seat>, Unopened> {
        if self.trusted.iter().any(|proxy| proxy.contains(&address)) {
            return Ok(None);
        }
        self.seats.take(network(address), self.most).map(Some).ok_or(Unopened::Crowd(address))
    }
}
