//! Opening a connection to a server of an upstream: TCP, and TLS where the configuration says `https`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where a connection goes.
#[derive(Debug, Clone)]
pub struct Target {
    host: String,
    port: u16,
    tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
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
    /// The peer speaks no HTTP/1.1.
    #[error("the HTTP connection could not be set up")]
    Handshake(#[from] hyper::Error),
}

impl Target {
    /// A server that is spoken to in clear.
    pub fn plain(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port, tls: None }
    }

    /// A server that must show a certificate for `host`.
    ///
    /// # Errors
    /// `host` is neither an address nor a name that a certificate could carry.
    pub fn tls(host: &str, port: u16, config: Arc<ClientConfig>) -> Result<Self, InvalidDnsNameError> {
        let name = ServerName::try_from(host.to_owned())?;
        Ok(Self { host: host.to_owned(), port, tls: Some((name, config)) })
    }

    /// Connects within the limit, TLS included.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(&self, limit: Duration) -> Result<Stream, ConnectError> {
        tokio::time::timeout(limit, self.dial()).await.map_err(|_| ConnectError::Timeout(limit))?
    }

    async fn dial(&self) -> Result<Stream, ConnectError> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await?;
        socket.set_nodelay(true)?;
        let Some((name, config)) = &self.tls else { return Ok(Stream::Plain(socket)) };
        let connector = TlsConnector::from(Arc::clone(config));
        Ok(Stream::Tls(Box::new(connector.connect(name.clone(), socket).await?)))
    }
}

/// An open connection.
#[derive(Debug)]
pub enum Stream {
    /// In clear.
    Plain(TcpStream),
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
            Self::Tls(io) => Pin::new(io).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(cx, bytes),
            Self::Tls(io) => Pin::new(io).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(cx, parts),
            Self::Tls(io) => Pin::new(io).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(io) => io.is_write_vectored(),
            Self::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(cx),
            Self::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Self::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
