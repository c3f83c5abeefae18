//! One client's socket, plain or TLS, that tells the connection's [`Watch`] what moves.
//!
//! It also closes politely: a peer that is still sending a body which nobody will read would lose the answer to a
//! reset, so after the last byte out the rest is read and thrown away for a moment.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

use super::watch::Watch;

/// How long, and how much, a peer may go on sending into a connection that is closed for it.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1 << 20;

/// The socket itself.
#[derive(Debug)]
pub(super) enum Socket {
    /// As accepted.
    Plain(TcpStream),
    /// Through rustls.
    Tls(Box<TlsStream<TcpStream>>),
}

/// A socket under watch.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    watch: Rc<Watch>,
    linger: Option<Linger>,
}

#[derive(Debug)]
struct Linger {
    end: Pin<Box<Sleep>>,
    left: usize,
}

impl Stream {
    /// Watches a socket.
    pub(super) const fn new(socket: Socket, watch: Rc<Watch>) -> Self {
        Self { socket, watch, linger: None }
    }

    /// Whether the client chose HTTP/2, which it can do only over TLS.
    pub(super) fn is_http2(&self) -> bool {
        matches!(&self.socket, Socket::Tls(io) if super::tls::is_http2(io.get_ref().1))
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self
            .linger
            .get_or_insert_with(|| Linger { end: Box::pin(tokio::time::sleep(LINGER)), left: LINGER_BYTES });
        let mut scratch = [0; 8192];
        while linger.left > 0 && linger.end.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(self.socket.poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    linger.left = linger.left.saturating_sub(buffer.filled().len());
                }
                // The peer is done, or gone.
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }

    fn note_write(&self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Pending => self.watch.write_blocked(),
            Poll::Ready(_) => self.watch.write_moved(),
        }
    }
}

impl Socket {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buffer),
            Self::Tls(io) => Pin::new(io).poll_read(cx, buffer),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.socket.poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.watch.bytes_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = match &mut self.socket {
            Socket::Plain(io) => Pin::new(io).poll_write(cx, bytes),
            Socket::Tls(io) => Pin::new(io).poll_write(cx, bytes),
        };
        self.note_write(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A head without a body is one part, and a plain write costs the kernel less.
        if let [part] = parts {
            return self.poll_write(cx, part);
        }
        let result = match &mut self.socket {
            Socket::Plain(io) => Pin::new(io).poll_write_vectored(cx, parts),
            Socket::Tls(io) => Pin::new(io).poll_write_vectored(cx, parts),
        };
        self.note_write(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Plain(io) => io.is_write_vectored(),
            Socket::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Plain(io) => Pin::new(io).poll_flush(cx),
            Socket::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(match &mut self.socket {
                Socket::Plain(io) => Pin::new(io).poll_shutdown(cx),
                Socket::Tls(io) => Pin::new(io).poll_shutdown(cx),
            })?;
        }
        if self.watch.is_undrained() {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
