//! What comes before HTTP on a connection: a proxy's word on who is behind it, and TLS. Each has as long as a request
//! head.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;

use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::core::{Accepted, Purpose, canonical};
use super::proxy_header::{self, BadHeader};
use super::stream::{Socket, Stream};
use super::tls::{Handshakes, Shown};
use super::watch::Watch;
use crate::config::Config;

/// How connections are opened under one configuration.
#[derive(Clone)]
pub(super) struct Opening {
    tls: Option<Handshakes>,
    /// Whose PROXY headers are read; none: nobody sends one.
    proxies: Option<Rc<[IpNet]>>,
}

/// A connection over which HTTP may be spoken.
pub(super) struct Opened {
    pub(super) stream: Stream,
    /// The other end's address: the client's, or that of a proxy whose HTTP headers tell more.
    pub(super) address: IpAddr,
    /// What the client was shown, if it speaks TLS.
    pub(super) shown: Option<Shown>,
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
    /// A proxy that does not say what it must.
    #[error(transparent)]
    ProxyHeader(#[from] BadHeader),
}

impl Opening {
    pub(super) fn new(config: &Config, tls: Option<Handshakes>) -> Self {
        Self { tls, proxies: config.proxy_protocol.then(|| config.trusted_proxies.clone().into()) }
    }

    /// A proxy that asks speaks plain HTTP/1.1, and for itself.
    pub(super) async fn open(&self, accepted: Accepted, watch: Rc<Watch>) -> Result<Opened, Unopened> {
        if accepted.purpose == Purpose::Verify {
            let (socket, address) = (TcpStream::from_std(accepted.socket)?, canonical(accepted.peer));
            return Ok(Opened { stream: Stream::new(Socket::Plain(socket), watch), address, shown: None });
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
        let Some(tls) = &self.tls else {
            return Ok(Opened { stream: Stream::new(Socket::Plain(socket), watch), address, shown: None });
        };
        let (socket, shown) = timeout(limit, tls.accept(socket)).await.map_err(io::Error::from)??;
        let stream = Stream::new(Socket::Tls(Box::new(socket)), watch);
        Ok(Opened { stream, address, shown: Some(shown) })
    }
}
