//! Opening a connection to a server of an upstream: TCP, with TLS where the configuration says `https`, or a Unix
//! socket.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::{Authority, Scheme};
use rustls::ClientConfig;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where a connection goes.
#[derive(Debug, Clone)]
pub struct Target {
    way: Way,
    tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    /// What the server is called in HTTP/2; none: it is spoken to in HTTP/1.1.
    http2: Option<Authority>,
}

#[derive(Debug, Clone)]
enum Way {
    /// A name or an address; the system looks names up.
    Host(String, u16),
    /// What a name was found to mean.
    Address(SocketAddr),
    /// A socket of this machine.
    Socket(PathBuf),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Refused, unreachable, no such name, or a certificate that does not verify.
    #[error("cannot connect")]
    Io(#[from] io::Error),
    /// `timeouts.connect` passed.
    #[error("connecting took longer than {0:?}")]
    Timeout(Duration),
    /// The server did not choose HTTP/2, which is configured for it.
    #[error("the server chose no HTTP/2 (ALPN)")]
    NoHttp2,
    /// The peer does not speak HTTP, or takes the connection back.
    #[error("the HTTP connection could not be set up")]
    Handshake(#[from] hyper::Error),
}

impl Target {
    /// A server that is spoken to in clear.
    pub fn plain(host: &str, port: u16) -> Self {
        Self { way: Way::Host(host.to_owned(), port), tls: None, http2: None }
    }

    /// A Unix socket, in clear.
    pub fn socket(path: &Path) -> Self {
        Self { way: Way::Socket(path.to_owned()), tls: None, http2: None }
    }

    /// A server that must show a certificate for `host`.
    ///
    /// # Errors
    /// `host` is neither an address nor a name that a certificate could carry.
    pub fn tls(host: &str, port: u16, config: Arc<ClientConfig>) -> Result<Self, InvalidDnsNameError> {
        let name = ServerName::try_from(host.to_owned())?;
        Ok(Self { way: Way::Host(host.to_owned(), port), tls: Some((name, config)), http2: None })
    }

    /// The same server, spoken to in HTTP/2 by this name: over TLS it must choose `h2`, in clear it is known to
    /// speak it.
    #[must_use]
    pub fn http2(self, authority: Authority) -> Self {
        Self { http2: Some(authority), ..self }
    }

    /// Where an HTTP/2 request says that it goes; none for HTTP/1.1.
    pub(super) fn origin(&self) -> Option<(Scheme, Authority)> {
        let scheme = if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        self.http2.clone().map(|authority| (scheme, authority))
    }

    /// Whether the server is spoken to in HTTP/2.
    pub(super) const fn is_http2(&self) -> bool {
        self.http2.is_some()
    }

    /// The same server, at an address that its name was found to mean; its certificate is still for the name.
    pub(super) fn at(&self, address: SocketAddr) -> Self {
        Self { way: Way::Address(address), ..self.clone() }
    }

    /// The name that must be looked up, and the port; none if this is an address or a Unix socket.
    pub(super) fn name(&self) -> Option<(&str, u16)> {
        match &self.way {
            Way::Host(host, port) if host.parse::<IpAddr>().is_err() => Some((host, *port)),
            _ => None,
        }
    }

    /// Another port of the same machine, in clear and in HTTP/1.1. A Unix socket has no other.
    pub(super) fn other_port(&self, port: u16) -> Self {
        let way = match &self.way {
            Way::Host(host, _) => Way::Host(host.clone(), port),
            Way::Address(address) => Way::Address(SocketAddr::new(address.ip(), port)),
            Way::Socket(path) => Way::Socket(path.clone()),
        };
        Self { way, tls: None, http2: None }
    }

    /// Connects within the limit, TLS included.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(&self, limit: Duration) -> Result<Stream, ConnectError> {
        tokio::time::timeout(limit, self.dial()).await.map_err(|_| ConnectError::Timeout(limit))?
    }

    async fn dial(&self) -> Result<Stream, ConnectError> {
        let socket = match &self.way {
            Way::Host(host, port) => TcpStream::connect((host.as_str(), *port)).await?,
            Way::Address(address) => TcpStream::connect(address).await?,
            Way::Socket(path) => return Ok(Stream::Unix(UnixStream::connect(path).await?)),
        };
        socket.set_nodelay(true)?;
        let Some((name, config)) = &self.tls else { return Ok(Stream::Plain(socket)) };
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(name.clone(), socket).await?;
        if self.is_http2() && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(ConnectError::NoHttp2);
        }
        Ok(Stream::Tls(Box::new(stream)))
    }
}

/// An open connection.
#[derive(Debug)]
pub enum Stream {
    /// In clear.
    Plain(TcpStream),
    /// In clear, without leaving the machine.
    Unix(UnixStream),
    /// Through rustls.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buffer),
            Self::Unix(io) => Pin::new(io).poll_read(cx, buffer),
            Self::Tls(io) => Pin::new(io).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(cx, bytes),
            Self::Unix(io) => Pin::new(io).poll_write(cx, bytes),
            Self::Tls(io) => Pin::new(io).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A head without a body is one part, and a plain write costs the kernel less.
        if let [part] = parts {
            return self.poll_write(cx, part);
        }
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(cx, parts),
            Self::Unix(io) => Pin::new(io).poll_write_vectored(cx, parts),
            Self::Tls(io) => Pin::new(io).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(io) => io.is_write_vectored(),
            Self::Unix(io) => io.is_write_vectored(),
            Self::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(cx),
            Self::Unix(io) => Pin::new(io).poll_flush(cx),
            Self::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Self::Unix(io) => Pin::new(io).poll_shutdown(cx),
            Self::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
