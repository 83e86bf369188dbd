//! Connections to endpoints: connect, reuse, time out.
//!
//! Every worker has its own idle connections, so none of this is ever locked or shared. An idle connection belongs to
//! a [`Slot`]: one target spoken to in one way.

mod chunked;
mod head;
pub(super) mod http1;
pub(super) mod http2;
mod tls;

use std::collections::HashMap;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::timer;
use crate::model::policy::BackendProtocol;
use crate::model::settings::Settings;
use crate::routing::endpoints::Target;

/// How an endpoint is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Mode {
    /// HTTP/1.1 in the clear.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// HTTP/2 in the clear.
    Http2,
    /// HTTP/2 over TLS.
    Http2Tls,
}

impl Mode {
    /// The mode for a `backend-protocol`; `secure` says whether the client came over TLS.
    pub(super) fn of(protocol: BackendProtocol, secure: bool) -> Self {
        match protocol {
            BackendProtocol::AutoHttp if secure => Self::Https,
            BackendProtocol::Http | BackendProtocol::AutoHttp => Self::Http,
            BackendProtocol::Https => Self::Https,
            BackendProtocol::Grpc => Self::Http2,
            BackendProtocol::Grpcs => Self::Http2Tls,
        }
    }

    /// Whether it is HTTP/2.
    pub(super) fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2Tls)
    }

    fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Http2Tls)
    }
}

/// A byte stream to an endpoint.
#[derive(Debug)]
pub(super) enum Stream {
    /// In the clear.
    Plain(TcpStream),
    /// Over TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects to a target. The caller limits the time.
pub(super) async fn connect(target: &Target, mode: Mode) -> io::Result<Stream> {
    let tcp = match target {
        Target::Address(address) => TcpStream::connect(address).await?,
        Target::Name { host, port } => TcpStream::connect((host.as_ref(), *port)).await?,
    };
    tcp.set_nodelay(true)?;
    if mode.is_tls() {
        return tls::handshake(tcp, target, mode.is_http2())
            .await
            .map(|stream| Stream::Tls(Box::new(stream)));
    }
    Ok(Stream::Plain(tcp))
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// An HTTP/1 connection between two requests.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    read: BytesMut,
    write: Vec<u8>,
    /// [`timer::now_millis`] when it was made, and when it became idle.
    born: u64,
    idle_since: u64,
    requests: u32,
    /// Bytes written.
    moved: u64,
}

impl Connection {
    /// A connection over a fresh stream.
    pub(super) fn new(stream: Stream) -> Self {
        let now = timer::now_millis();
        Self {
            stream,
            read: BytesMut::new(),
            write: Vec::new(),
            born: now,
            idle_since: now,
            requests: 0,
            moved: 0,
        }
    }

    /// Where the next request's head is written; empty.
    pub(super) fn head(&mut self) -> &mut Vec<u8> {
        self.write.clear();
        &mut self.write
    }

    /// Whether it has carried a request before.
    pub(super) fn reused(&self) -> bool {
        self.requests > 0
    }

    /// Whether the other end still holds it open and has said nothing. No system call while nothing happened.
    fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut buf = ReadBuf::new(&mut byte);
        let read = std::future::poll_fn(|cx| Pin::new(&mut self.stream).poll_read(cx, &mut buf));
        // Not subject to the runtime's budget, which would make it look quiet once that is used up.
        pin!(tokio::task::unconstrained(read)).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }
}

/// Names a [`Slot`] of this worker's [`Pools`]. The generation tells when the slot was given to another target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotId {
    index: u32,
    generation: u32,
}

#[derive(Debug)]
struct Slot {
    target: Target,
    mode: Mode,
    generation: u32,
    /// How many backends of this worker use it.
    users: u32,
    idle: Vec<Connection>,
    http2: Option<http2::Sender>,
}

/// What is kept of idle connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    connections: usize,
    idle_millis: u64,
    life_millis: u64,
    requests: u32,
}

impl From<&Settings> for Limits {
    fn from(settings: &Settings) -> Self {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            connections: settings.upstream_keepalive_connections,
            idle_millis: millis(settings.upstream_keepalive_timeout),
            life_millis: millis(settings.upstream_keepalive_time),
            requests: settings.upstream_keepalive_requests,
        }
    }
}

/// The idle connections of one worker.
#[derive(Debug, Default)]
pub(super) struct Pools {
    slots: Vec<Slot>,
    index: HashMap<(Target, Mode), u32, foldhash::fast::FixedState>,
    free: Vec<u32>,
}

impl Pools {
    /// The slot of a target; the caller must [`Pools::release`] it one day.
    pub(super) fn acquire(&mut self, target: &Target, mode: Mode) -> SlotId {
        if let Some(&index) = self.index.get(&(target.clone(), mode)) {
            let slot = &mut self.slots[index as usize];
            slot.users += 1;
            return SlotId { index, generation: slot.generation };
        }
        let index = self.free.pop().unwrap_or_else(|| u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        let generation = self.slots.get(index as usize).map_or(0, |slot| slot.generation + 1);
        let slot = Slot { target: target.clone(), mode, generation, users: 1, idle: Vec::new(), http2: None };
        match self.slots.get_mut(index as usize) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        self.index.insert((target.clone(), mode), index);
        SlotId { index, generation }
    }

    /// Gives a slot back. The last user's release closes its idle connections.
    pub(super) fn release(&mut self, id: SlotId) {
        let Some(slot) = self.slot(id) else { return };
        slot.users -= 1;
        if slot.users == 0 {
            slot.idle = Vec::new();
            slot.http2 = None;
            slot.generation += 1;
            let key = (slot.target.clone(), slot.mode);
            self.index.remove(&key);
            self.free.push(id.index);
        }
    }

    /// An idle connection that is still open, the one used last first.
    pub(super) fn take(&mut self, id: SlotId) -> Option<Connection> {
        let slot = self.slot(id)?;
        while let Some(mut connection) = slot.idle.pop() {
            if connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for later, unless it is worn out, the slot is gone or full.
    pub(super) fn put(&mut self, id: SlotId, mut connection: Connection, limits: &Limits) {
        let now = timer::now_millis();
        let worn = connection.requests >= limits.requests || now - connection.born >= limits.life_millis;
        let Some(slot) = self.slot(id).filter(|slot| !worn && slot.idle.len() < limits.connections) else {
            return;
        };
        connection.idle_since = now;
        slot.idle.push(connection);
    }

    /// The HTTP/2 connection of a slot, if it is open.
    pub(super) fn http2(&mut self, id: SlotId) -> Option<http2::Sender> {
        self.slot(id)?.http2.clone().filter(|sender| !sender.is_closed())
    }

    /// Keeps an HTTP/2 connection for the requests to come.
    pub(super) fn put_http2(&mut self, id: SlotId, sender: &http2::Sender) {
        if let Some(slot) = self.slot(id) {
            slot.http2 = Some(sender.clone());
        }
    }

    /// Forgets the HTTP/2 connection of a slot, which answers no more.
    pub(super) fn drop_http2(&mut self, id: SlotId) {
        if let Some(slot) = self.slot(id) {
            slot.http2 = None;
        }
    }

    /// Closes connections that were idle too long. Call it now and then.
    pub(super) fn expire(&mut self, limits: &Limits) {
        let now = timer::now_millis();
        for slot in &mut self.slots {
            if !slot.idle.is_empty() {
                slot.idle.retain_mut(|connection| {
                    now - connection.idle_since < limits.idle_millis && connection.is_quiet()
                });
            }
            slot.http2 = slot.http2.take().filter(|sender| !sender.is_closed());
        }
    }

    fn slot(&mut self, id: SlotId) -> Option<&mut Slot> {
        self.slots.get_mut(id.index as usize).filter(|slot| slot.generation == id.generation)
    }
}
