//! Bytes both ways after an upgrade.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::record::Record;
use super::timer::{Elapsed, Timer};
use super::upstream::Stream;

const BUFFER: usize = 16 << 10;

/// The endpoint's side of an upgraded connection, waiting for the client's.
pub(super) struct Tunnel {
    /// The endpoint.
    pub(super) stream: Stream,
    /// What the endpoint sent behind its 101.
    pub(super) early: Bytes,
    /// The tunnel ends when nothing moves for so long.
    pub(super) idle: Duration,
    /// The request that asked for it; ends with the tunnel.
    pub(super) record: Record,
}

impl Tunnel {
    /// Passes bytes until both sides ended, one failed, or nothing moved for too long. `early` is what the client sent
    /// behind its request.
    pub(super) async fn run(mut self, mut client: impl AsyncRead + AsyncWrite + Unpin, early: Bytes) {
        let timer = Timer::new();
        timer.arm(self.idle);
        let (mut up, mut down) = (Pipe::new(early), Pipe::new(std::mem::take(&mut self.early)));
        let passed = std::future::poll_fn(|cx| {
            let before = up.moved + down.moved;
            let rising = up.poll(cx, &mut client, &mut self.stream)?;
            let falling = down.poll(cx, &mut self.stream, &mut client)?;
            if rising.is_ready() && falling.is_ready() {
                return Poll::Ready(io::Result::Ok(()));
            }
            if up.moved + down.moved > before {
                timer.arm(self.idle);
            }
            timer.poll(cx).map(|Elapsed| Err(io::ErrorKind::TimedOut.into()))
        });
        if let Err(error) = passed.await {
            tracing::debug!("a tunnel ended: {error}");
        }
        self.record.sent(usize::try_from(down.moved).unwrap_or(usize::MAX));
    }
}

/// One direction.
struct Pipe {
    /// Bytes on their way: those read early, then the buffer's.
    early: Bytes,
    buffer: Box<[u8]>,
    from: usize,
    to: usize,
    ended: bool,
    closed: bool,
    moved: u64,
}

impl Pipe {
    fn new(early: Bytes) -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { early, buffer, from: 0, to: 0, ended: false, closed: false, moved: 0 }
    }

    /// Ready when the reader ended and the writer was told so.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_write(cx, writer))?;
            if self.closed {
                return Poll::Ready(Ok(()));
            }
            if self.ended {
                ready!(Pin::new(&mut *writer).poll_shutdown(cx))?;
                self.closed = true;
                continue;
            }
            let mut buf = ReadBuf::new(&mut self.buffer);
            if Pin::new(&mut *reader).poll_read(cx, &mut buf)?.is_pending() {
                // What was written must not wait for more.
                ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                return Poll::Pending;
            }
            (self.from, self.to) = (0, buf.filled().len());
            self.ended = self.to == 0;
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        loop {
            let early = !self.early.is_empty();
            let bytes = if early { &self.early[..] } else { &self.buffer[self.from..self.to] };
            if bytes.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let count = ready!(Pin::new(&mut *writer).poll_write(cx, bytes))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.moved += count as u64;
            if early {
                let _ = self.early.split_to(count);
            } else {
                self.from += count;
            }
        }
    }
}
