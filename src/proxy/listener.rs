//! Binds addresses, accepts, and spreads connections over the workers.
//!
//! Every worker listens on every address (SO_REUSEPORT). The kernel spreads by hash, which is uneven for few
//! connections, so a worker that has more than the least busy one passes a fresh socket on to it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::connection::{self, Listener, Open};
use super::worker;

const BACKLOG: i32 = 4096;
/// How long accepting rests after an error such as too many open files.
const REST: Duration = Duration::from_millis(100);

/// A fresh socket on its way to the worker that serves it.
pub(super) struct Accepted {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    listener: Arc<Listener>,
    open: Open,
}

/// Where each worker takes sockets from others.
pub(super) type Peers = Arc<[mpsc::Sender<Accepted>]>;

/// Binds one socket a worker. Port 0 lets the kernel choose; all get the same.
pub(super) fn bind(
    address: SocketAddr,
    workers: usize,
) -> io::Result<(SocketAddr, Vec<std::net::TcpListener>)> {
    // Without SO_REUSEPORT this fails when anything else listens there, even another Slipway.
    let probe = socket(address, false)?;
    let address = probe.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    drop(probe);
    let sockets = (0..workers).map(|_| {
        let socket = socket(address, true)?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    });
    Ok((address, sockets.collect::<io::Result<_>>()?))
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        // One socket for both families where the address is the unspecified one.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Accepted sockets inherit both.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if !shared {
        socket.listen(1)?; // the conflict with another listener shows here
    }
    Ok(socket)
}

/// Accepts while `accepting` says so, then takes what is still queued in the kernel and closes.
pub(super) async fn accept(
    socket: TcpListener,
    listener: Arc<Listener>,
    peers: Peers,
    mut accepting: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            biased;
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => place(stream, peer, &listener, &peers),
                Err(error) => {
                    tracing::warn!("accepting a connection failed: {error}");
                    tokio::time::sleep(REST).await;
                }
            },
            () = until(&mut accepting, false) => break,
        }
    }
    while let Ok(Ok((stream, peer))) = tokio::time::timeout(Duration::ZERO, socket.accept()).await {
        place(stream, peer, &listener, &peers);
    }
    worker::with(|worker| worker.shared.listening.fetch_sub(1, Ordering::Release));
}

/// Waits until a flag has a value, or nobody is left to set it.
pub(super) async fn until(flag: &mut watch::Receiver<bool>, value: bool) {
    let _ = flag.wait_for(|now| *now == value).await;
}

/// Serves the sockets that other workers pass on.
pub(super) async fn take_over(mut passed: mpsc::Receiver<Accepted>) {
    while let Some(Accepted { stream, peer, listener, open }) = passed.recv().await {
        match TcpStream::from_std(stream) {
            Ok(stream) => start(stream, peer, listener, open),
            Err(error) => tracing::warn!("taking over a connection failed: {error}"),
        }
    }
}

fn place(stream: TcpStream, peer: SocketAddr, listener: &Arc<Listener>, peers: &Peers) {
    let (own, target) = worker::with(|worker| {
        let active = &worker.shared.active;
        let load = |index: usize| active[index].load(Ordering::Relaxed);
        let least = (0..active.len()).min_by_key(|index| load(*index)).unwrap_or(worker.index);
        // Passing on costs more than serving a request: only when it evens out something.
        (worker.index, (load(worker.index) > load(least) + 1).then_some(least))
    });
    let Some(target) = target else { return start(stream, peer, listener.clone(), Open::new(own)) };
    let Ok(stream) = stream.into_std() else { return };
    let accepted = Accepted { stream, peer, listener: listener.clone(), open: Open::new(target) };
    // When that worker is too busy to take it, this one serves it.
    if let Err(mpsc::error::TrySendError::Full(back) | mpsc::error::TrySendError::Closed(back)) =
        peers[target].try_send(accepted)
        && let Ok(stream) = TcpStream::from_std(back.stream)
    {
        start(stream, peer, back.listener, Open::new(own));
    }
}

fn start(stream: TcpStream, peer: SocketAddr, listener: Arc<Listener>, open: Open) {
    tokio::spawn(connection::run(stream, peer, listener, open));
}
