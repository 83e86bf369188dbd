//! The byte stream of a client: in the clear or over TLS, with what was read ahead, watched for idleness.

use std::cell::RefCell;
use std::io::{self, Read as _};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::{Client, NEVER};
use crate::proxy::timer::{self, Elapsed, Timer};
use crate::proxy::tls::TlsStream;
use crate::proxy::worker;

/// How every HTTP/2 connection begins (RFC 9113 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How much is read of a fresh connection at once.
const READ_AHEAD: usize = 2 << 10;
/// How long a client that goes on sending is listened to after its answer, in all and between two reads (nginx's
/// `lingering_time` and `lingering_timeout`).
const LINGER: Duration = Duration::from_secs(30);
const LINGER_READ: Duration = Duration::from_secs(5);
/// Buffers that are smaller than this together are written as one.
const GATHER: usize = 4 << 10;

thread_local! {
    /// Where small buffers are put together.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What is known of a connection in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sniffed {
    Http1,
    Http2,
    /// Nothing has come yet.
    Nothing,
    /// The client went away, or took too long.
    Left,
}

/// A client's byte stream.
pub(super) struct ClientIo {
    transport: Transport,
    /// Read ahead; comes before what the transport has.
    prefix: Bytes,
    /// The end of writing is told to the client while reading goes on.
    half_closes: bool,
    client: Arc<Client>,
}

enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

/// Reads until it is clear what the client speaks; does not wait for the first bytes. What was read is read again.
pub(super) async fn sniff(io: &mut ClientIo) -> Sniffed {
    // Mostly the first bytes were read ahead and say it at once.
    let known = io.prefix.len().min(PREFACE.len());
    if known > 0 && io.prefix[..known] != PREFACE[..known] {
        return Sniffed::Http1;
    }
    let mut read = BytesMut::with_capacity(2 << 10);
    // The runtime takes a fresh socket for readable, so there may be nothing.
    let first = std::future::poll_fn(|cx| Poll::Ready(pin!(io.read_buf(&mut read)).poll(cx))).await;
    let Poll::Ready(mut count) = first else { return Sniffed::Nothing };
    loop {
        if !matches!(count, Ok(1..)) {
            return Sniffed::Left;
        }
        let known = read.len().min(PREFACE.len());
        if read[..known] != PREFACE[..known] || known == PREFACE.len() {
            break;
        }
        let limit = worker::with(|worker| worker.view().settings().client_header_timeout);
        let next = Timer::new().within(limit, io.read_buf(&mut read)).await;
        count = next.unwrap_or_else(|Elapsed| Err(io::ErrorKind::TimedOut.into()));
    }
    let http2 = read.starts_with(PREFACE);
    io.prefix = read.freeze();
    if http2 { Sniffed::Http2 } else { Sniffed::Http1 }
}

impl ClientIo {
    pub(super) fn plain(stream: TcpStream, client: Arc<Client>) -> Self {
        Self { transport: Transport::Plain(stream), prefix: Bytes::new(), half_closes: false, client }
    }

    pub(super) fn tls(stream: Box<TlsStream>, client: Arc<Client>) -> Self {
        Self { transport: Transport::Tls(stream), prefix: Bytes::new(), half_closes: false, client }
    }

    pub(super) fn with_prefix(mut self, prefix: Bytes) -> Self {
        self.prefix = prefix;
        self
    }

    /// For a tunnel, whose two directions end apart.
    pub(super) fn half_closing(mut self) -> Self {
        self.half_closes = true;
        self
    }

    /// Reads what a client in the clear has sent by now. Saves a turn of the event loop: mostly the request is there.
    pub(super) fn read_ahead(&mut self) {
        if let Transport::Plain(stream) = &self.transport {
            let mut first = [0; READ_AHEAD];
            if let Ok(count) = (&*SockRef::from(stream)).read(&mut first)
                && count > 0
            {
                self.prefix = Bytes::copy_from_slice(&first[..count]);
                self.note_read();
            }
        }
    }

    /// Whether there are bytes that were read but not yet used.
    pub(super) fn has_read_ahead(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// Ends the connection so that the client can still read the answer, although it goes on sending: says that no more
    /// comes, then drops what arrives for a while (RFC 9112 9.6).
    pub(super) async fn linger(mut self) {
        let _ = self.half_closing_now().await;
        let mut dropped = [0; 4 << 10];
        let timer = Timer::new();
        let drop_all = async {
            while let Ok(Ok(count)) = Timer::new().within(LINGER_READ, self.read(&mut dropped)).await {
                if count == 0 {
                    break;
                }
            }
        };
        let _ = timer.within(LINGER, drop_all).await;
    }

    async fn half_closing_now(&mut self) -> io::Result<()> {
        self.half_closes = true;
        self.shutdown().await
    }

    /// Ready when there is something to read, be it the end.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.prefix.is_empty() {
            return Poll::Ready(());
        }
        let tcp = match &self.transport {
            Transport::Plain(stream) => stream,
            Transport::Tls(stream) => {
                let (tcp, session) = stream.get_ref();
                // The first request often comes with the end of the handshake: then the session has it, not the socket.
                if !session.wants_read() {
                    return Poll::Ready(());
                }
                tcp
            }
        };
        tcp.poll_read_ready(cx).map(drop)
    }

    fn poll_write_gathered(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        match &mut self.transport {
            Transport::Plain(stream) if bufs.len() > 1 && total <= GATHER => {
                // One write of a copy is cheaper than one write of many pieces.
                SCRATCH.with_borrow_mut(|copy| {
                    copy.clear();
                    for buf in bufs {
                        copy.extend_from_slice(buf);
                    }
                    Pin::new(stream).poll_write(cx, copy)
                })
            }
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    /// Remembers since when the client takes nothing.
    fn note_write<T>(&self, polled: Poll<T>) -> Poll<T> {
        let blocked = &self.client.blocked_since;
        let was = blocked.load(Ordering::Relaxed);
        if polled.is_ready() {
            if was != NEVER {
                blocked.store(NEVER, Ordering::Relaxed);
            }
        } else if was == NEVER {
            blocked.store(timer::now_millis(), Ordering::Relaxed);
        }
        polled
    }

    /// Remembers when bytes came, and that a head may have begun.
    fn note_read(&self) {
        let now = timer::now_millis();
        self.client.active.store(now, Ordering::Relaxed);
        if self.client.in_flight.load(Ordering::Relaxed) == 0
            && self.client.head_since.load(Ordering::Relaxed) == NEVER
        {
            self.client.head_since.store(now, Ordering::Relaxed);
        }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.prefix.is_empty() {
            let count = this.prefix.len().min(buf.remaining());
            buf.put_slice(&this.prefix[..count]);
            this.prefix.advance(count);
            if this.prefix.is_empty() {
                this.prefix = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(match &mut this.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        })?;
        if buf.filled().len() > before {
            this.note_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = match &mut this.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        this.note_write(polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = this.poll_write_gathered(cx, bufs);
        this.note_write(polled)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Transport::Tls(stream) = &mut this.transport else { return Poll::Ready(Ok(())) };
        let polled = Pin::new(stream).poll_flush(cx);
        this.note_write(polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let half_closes = this.half_closes;
        match &mut this.transport {
            // Closing the socket, which follows, says the same.
            Transport::Plain(_) if !half_closes => Poll::Ready(Ok(())),
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
