//! One direction of a tunnel. What cannot be written at once waits, and nothing more is read meanwhile; a pipe in which
//! nothing waits holds no memory, since most websockets are silent most of the time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read at once.
const PIECE: usize = 16 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    waiting: Bytes,
    moved: u64,
    unflushed: bool,
    ended: bool,
}

impl Pipe {
    /// A pipe that begins with these bytes.
    pub(super) fn holding(waiting: Bytes) -> Self {
        Self { waiting, ..Self::default() }
    }

    /// Bytes that were written.
    pub(super) const fn moved(&self) -> u64 {
        self.moved
    }

    /// Whether all that was read is written.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Moves what can be moved; ready when `from` has ended and `to` has everything. `seen` is shown what is read.
    ///
    /// # Errors
    /// Either side's.
    pub(super) fn poll<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        from: &mut R,
        to: &mut W,
        seen: &mut impl FnMut(&[u8]),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_rest(to, cx))?;
            if self.ended {
                return Pin::new(&mut *to).poll_flush(cx);
            }
            let mut room = [0; PIECE];
            let mut buffer = ReadBuf::new(&mut room);
            if Pin::new(&mut *from).poll_read(cx, &mut buffer)?.is_pending() {
                if self.unflushed {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return Poll::Pending;
            }
            let read = buffer.filled();
            self.ended = read.is_empty();
            seen(read);
            if let Poll::Ready(written) = self.poll_write(to, read, cx)? {
                self.waiting = Bytes::copy_from_slice(&read[written..]);
            } else {
                self.waiting = Bytes::copy_from_slice(read);
                return Poll::Pending;
            }
        }
    }

    fn poll_rest<W: AsyncWrite + Unpin>(&mut self, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let waiting = self.waiting.clone();
            let written = ready!(self.poll_write(to, &waiting, cx))?;
            self.waiting.advance(written);
        }
        self.waiting = Bytes::new();
        Poll::Ready(Ok(()))
    }

    fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        to: &mut W,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let written = ready!(Pin::new(to).poll_write(cx, bytes))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.moved += written as u64;
        self.unflushed = true;
        Poll::Ready(Ok(written))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn everything_arrives_in_order_through_a_narrow_end() {
        let (mut client, mut from) = duplex(1 << 16);
        let (mut to, mut upstream) = duplex(7);
        let sent: Vec<u8> = (0..100_000_u32).map(|at| at.to_le_bytes()[0]).collect();
        let all = [b"early".as_slice(), &sent].concat();
        let length = all.len() as u64;
        tokio::spawn(async move { client.write_all(&sent).await });
        let reading = tokio::spawn(async move {
            let mut got = Vec::new();
            upstream.read_to_end(&mut got).await.unwrap();
            got
        });
        let (mut pipe, mut seen) = (Pipe::holding(Bytes::from_static(b"early")), 0);
        std::future::poll_fn(|cx| pipe.poll(&mut from, &mut to, &mut |bytes| seen += bytes.len(), cx))
            .await
            .unwrap();
        assert_eq!((pipe.moved(), seen as u64, pipe.is_empty()), (length, length - 5, true));
        drop(to);
        assert!(reading.await.unwrap() == all);
    }
}
