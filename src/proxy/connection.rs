//! One client connection: which protocol it speaks, when it is idle, how it ends.
//!
//! A connection that waits for its next request for a while is parked: hyper's buffers are dropped and its task holds
//! nothing but the socket, until bytes arrive.

mod io;
mod park;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::timer::{self, Elapsed, Timer};
use super::tunnel::Tunnel;
use super::worker::{self, Worker};
use io::ClientIo;

/// How often the deadlines of a connection are looked at.
const CHECK: Duration = Duration::from_secs(1);
/// A client that takes nothing of an answer for so long is cut off (nginx's `send_timeout`).
const SEND_TIMEOUT_MILLIS: u64 = 60_000;
/// The longest head of a request, in bytes (ingress-nginx: one buffer of 1k and four of 8k).
const HEAD_LIMIT: u32 = 40 << 10;
/// How many bytes of bodies an HTTP/2 client may send ahead, for one request and for all of a connection.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// How many bytes of an answer wait for a slow HTTP/2 client.
const SEND_BUFFER: usize = 64 << 10;
const NEVER: u64 = u64::MAX;

/// What the connections of one listener have in common.
#[derive(Debug)]
pub(super) struct Listener {
    /// TLS is spoken.
    pub(super) secure: bool,
    /// X-Forwarded-Port.
    pub(super) port: String,
}

/// The client's side of a connection, and where it stands.
///
/// The numbers are only used by the worker of the connection; they are atomics because futures must be `Send`.
pub(super) struct Client {
    /// The other end.
    pub(super) peer: SocketAddr,
    /// Its address as text.
    pub(super) address: String,
    /// Where it came in.
    pub(super) listener: Arc<Listener>,
    /// What was agreed on, with TLS.
    pub(super) tls: Option<TlsFacts>,
    in_flight: AtomicU32,
    requests: AtomicU32,
    /// When something last happened, on the worker's clock.
    active: AtomicU64,
    /// Since when the head of a request is being read; [`NEVER`] when none is.
    head_since: AtomicU64,
    /// Since when the client takes nothing; [`NEVER`] while it does.
    blocked_since: AtomicU64,
    /// A body was not read to its end, so closing at once could destroy the answer on its way.
    unread: AtomicBool,
    tunnel: Mutex<Option<Tunnel>>,
}

/// What a TLS handshake agreed on, in the log's words.
#[derive(Debug)]
pub(super) struct TlsFacts {
    /// `TLSv1.3`.
    pub(super) version: String,
    /// The cipher suite.
    pub(super) cipher: String,
    /// The server name the client asked for.
    pub(super) server_name: String,
}

/// Runs hyper's tasks on the worker they come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spawn;

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Spawn {
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}

/// How the HTTP/1 part of a connection ended.
enum End {
    Closed,
    Idle,
    Tunnel(Tunnel),
}

impl Client {
    fn new(peer: SocketAddr, listener: Arc<Listener>, tls: Option<TlsFacts>) -> Self {
        Self {
            peer,
            address: peer.ip().to_canonical().to_string(),
            listener,
            tls,
            in_flight: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            active: AtomicU64::new(timer::now_millis()),
            head_since: AtomicU64::new(NEVER),
            blocked_since: AtomicU64::new(NEVER),
            unread: AtomicBool::new(false),
            tunnel: Mutex::default(),
        }
    }

    /// A request's head is complete.
    pub(super) fn request_started(&self) {
        self.head_since.store(NEVER, Ordering::Relaxed);
        self.in_flight.store(self.in_flight.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.requests.store(self.requests.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
    }

    /// A head has begun to come.
    fn begin_head(&self) {
        if self.head_since.load(Ordering::Relaxed) == NEVER {
            self.head_since.store(timer::now_millis(), Ordering::Relaxed);
        }
    }

    /// How many requests have come on this connection.
    pub(super) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// A request ended, one way or another.
    pub(super) fn request_ended(&self) {
        self.in_flight.store(self.in_flight.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
        self.active.store(timer::now_millis(), Ordering::Relaxed);
    }

    /// A body is not read to its end.
    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Leaves the endpoint's side of an upgrade for when the 101 is written.
    pub(super) fn leave_tunnel(&self, tunnel: Tunnel) {
        *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
    }

    fn take_tunnel(&self) -> Option<Tunnel> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What the clock says about this connection.
    fn due(&self) -> Due {
        let now = timer::now_millis();
        let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let passed = |since: u64| if since == NEVER { 0 } else { now.saturating_sub(since) };
        let (keep_alive, header) = worker::with(|worker| {
            let view = worker.view();
            (view.settings().keep_alive, view.settings().client_header_timeout)
        });
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        if passed(load(&self.blocked_since)) >= SEND_TIMEOUT_MILLIS {
            Due::Cut
        } else if self.in_flight.load(Ordering::Relaxed) > 0 {
            Due::Nothing
        } else if load(&self.head_since) != NEVER {
            if passed(load(&self.head_since)) >= millis(header) { Due::Cut } else { Due::Nothing }
        } else {
            let idle = passed(load(&self.active));
            if idle >= millis(keep_alive) {
                Due::Close
            } else if idle >= millis(CHECK) && load(&self.blocked_since) == NEVER {
                Due::Park
            } else {
                Due::Nothing
            }
        }
    }
}

/// What is to be done with a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Nothing,
    Park,
    Close,
    Cut,
}

/// Takes over an accepted socket. Runs as a task of its own, which is small while it waits: what serves requests is
/// boxed and dropped when the connection falls idle.
pub(super) async fn run(tcp: TcpStream, peer: SocketAddr, listener: Arc<Listener>, open: Open) {
    let _open = open;
    worker::with(|worker| worker.counts.borrow_mut().accepted += 1);
    let (client, mut io);
    if listener.secure {
        let Some((tls, facts, http2)) = Box::pin(super::tls::handshake(tcp)).await else { return };
        client = Arc::new(Client::new(peer, listener, Some(facts)));
        io = ClientIo::tls(tls, client.clone());
        if http2 {
            return Box::pin(serve_http2(io, &client)).await;
        }
    } else {
        client = Arc::new(Client::new(peer, listener, None));
        io = ClientIo::plain(tcp, client.clone());
        io.read_ahead();
    }
    while park::wait(&io, &client).await {
        match Box::pin(serve(io, &client)).await {
            Some(idle) => io = idle,
            None => return,
        }
    }
}

/// Serves what comes until the connection ends or falls idle again.
async fn serve(mut io: ClientIo, client: &Arc<Client>) -> Option<ClientIo> {
    if client.requests() == 0 && client.tls.is_none() {
        match io::sniff(&mut io).await {
            io::Sniffed::Http1 => {}
            io::Sniffed::Http2 => {
                serve_http2(io, client).await;
                return None;
            }
            io::Sniffed::Nothing => return Some(io),
            io::Sniffed::Left => return None,
        }
    }
    let (end, io, early) = serve_http1(io, client).await;
    match end {
        End::Idle => {
            if !early.is_empty() {
                client.begin_head(); // the start of a head that came with the request before
            }
            return Some(io.with_prefix(early));
        }
        End::Tunnel(tunnel) => tunnel.run(io.half_closing(), early).await,
        End::Closed if client.unread.load(Ordering::Relaxed) => io.linger().await,
        End::Closed => {}
    }
    None
}

async fn serve_http1(io: ClientIo, client: &Arc<Client>) -> (End, ClientIo, bytes::Bytes) {
    let keep_alive = worker::with(|worker| !worker.view().settings().keep_alive.is_zero());
    let service = service_fn(|request| super::serve(client.clone(), request));
    let mut builder = http1::Builder::new();
    builder.keep_alive(keep_alive).header_read_timeout(None);
    builder.max_buf_size(HEAD_LIMIT as usize).max_header_size(HEAD_LIMIT as usize);
    let mut connection = builder.serve_connection(TokioIo::new(io), service);
    let timer = Timer::new();
    timer.arm(CHECK);
    let mut ending = false;
    let end = std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(served) = Pin::new(&mut connection).poll(cx) {
                note_end(served.err().as_ref(), client);
                return Poll::Ready(client.take_tunnel().map_or(End::Closed, End::Tunnel));
            }
            // After what has arrived was read, so that a request on its way is still answered.
            if !ending && worker::with(Worker::is_draining) {
                ending = true;
                Pin::new(&mut connection).graceful_shutdown();
                continue;
            }
            if timer.poll(cx).is_pending() {
                return Poll::Pending;
            }
            timer.arm(CHECK);
            match client.due() {
                Due::Nothing => {}
                Due::Park => return Poll::Ready(End::Idle),
                Due::Close => Pin::new(&mut connection).graceful_shutdown(),
                Due::Cut => {
                    client.unread.store(false, Ordering::Relaxed);
                    return Poll::Ready(End::Closed);
                }
            }
        }
    })
    .await;
    let parts = connection.into_parts();
    (end, parts.io.into_inner(), parts.read_buf)
}

async fn serve_http2(io: ClientIo, client: &Arc<Client>) {
    let streams = worker::with(|worker| worker.view().settings().http2_max_concurrent_streams);
    let owned = client.clone();
    let service = service_fn(move |request| super::serve(owned.clone(), request));
    let mut builder = http2::Builder::new(Spawn);
    builder.max_concurrent_streams(streams).enable_connect_protocol().max_header_list_size(HEAD_LIMIT);
    builder
        .max_send_buf_size(SEND_BUFFER)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let mut connection = builder.serve_connection(TokioIo::new(io), service);
    let timer = Timer::new();
    timer.arm(CHECK);
    let mut ending = false;
    std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(served) = Pin::new(&mut connection).poll(cx) {
                note_end(served.err().as_ref(), client);
                return Poll::Ready(());
            }
            if !ending && worker::with(Worker::is_draining) {
                ending = true;
                Pin::new(&mut connection).graceful_shutdown();
                continue;
            }
            if timer.poll(cx).map(|Elapsed| timer.arm(CHECK)).is_pending() {
                return Poll::Pending;
            }
            // Frames come between requests, too: that something was read does not mean that a head has begun.
            client.head_since.store(NEVER, Ordering::Relaxed);
            match client.due() {
                Due::Close if !ending => {
                    ending = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                // The client was told to go and had a while to do so.
                Due::Close | Due::Cut => return Poll::Ready(()),
                Due::Nothing | Due::Park => {}
            }
        }
    })
    .await;
}

/// Counts heads that hyper refused; it has answered them with 400, 414 or 431.
fn note_end(error: Option<&hyper::Error>, client: &Client) {
    if let Some(error) = error {
        if error.is_parse() {
            worker::with(|worker| worker.counts.borrow_mut().bad_heads += 1);
            client.leave_unread(); // more of the head may be on its way
        }
        tracing::debug!("a client connection ended: {error}");
    }
}

/// Counts a connection of a worker from the moment it is accepted to its end.
pub(super) struct Open {
    worker: usize,
}

impl Open {
    /// One more connection for this worker.
    pub(super) fn new(worker: usize) -> Self {
        worker::with(|own| own.opened(worker));
        Self { worker }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        worker::try_with(|own| own.closed(self.worker));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an idle connection costs besides the socket: its task and what it points to.
    #[tokio::test]
    async fn a_waiting_connection_is_small() {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        let listener = Arc::new(Listener { secure: false, port: "80".into() });
        let open = Open { worker: 0 };
        let task = run(tcp, address, listener, open);
        let size = size_of_val(&task) + size_of::<Client>();
        assert!(size < 1024, "{size} bytes");
    }
}
