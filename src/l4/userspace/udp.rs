//! Datagrams: each client of a frontend has a flow, with a socket of its own to its endpoint, so that answers find back.

mod flows;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};

use super::datagram::{self, Received, To};
use super::port::Client;
use super::socket;
use super::tcp::Entrance;
use crate::l4::ruleset::Target;
use flows::Flows;

/// The largest datagram.
const BUFFER: usize = 64 << 10;
/// How many datagrams are taken in a row before others have their turn.
const BURST: usize = 64;
/// How many endpoints are tried for one datagram.
const TRIES: usize = 4;
/// How often idle flows are looked for.
const SWEEP: Duration = Duration::from_secs(5);

thread_local! {
    static SHARED: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into_boxed_slice());
}

/// Bounds for the flows of one frontend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many there are at most.
    pub(super) flows: usize,
    /// How long one may be idle.
    pub(super) idle: Duration,
}

/// A frontend, as its flows see it.
struct Frontend {
    socket: UdpSocket,
    wildcard: bool,
    entrance: Arc<Entrance>,
    started: Instant,
}

/// Who talks to what address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Pair {
    client: SocketAddr,
    to: Option<To>,
}

/// One client's way to an endpoint. Dropping it ends it.
struct Flow {
    upstream: Arc<Upstream>,
    target: Target,
    /// The port's version when the endpoint was last known to be one.
    version: u64,
    task: AbortHandle,
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a flow shares with the task that waits for answers.
struct Upstream {
    socket: UdpSocket,
    /// Milliseconds since the start of the frontend.
    used: AtomicU64,
    /// The endpoint's machine said that nobody is there.
    refused: AtomicBool,
}

/// Serves the clients of a frontend until told to stop; then the socket is closed.
pub(super) async fn serve(
    socket: UdpSocket,
    wildcard: bool,
    entrance: Arc<Entrance>,
    limits: Limits,
    mut stop: oneshot::Receiver<()>,
) {
    let frontend = Arc::new(Frontend { socket, wildcard, entrance, started: Instant::now() });
    let mut table = Table { frontend, flows: Flows::new(limits.flows), tasks: JoinSet::new() };
    let mut sweep = tokio::time::interval(SWEEP.min(limits.idle));
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ready = table.frontend.socket.readable() => match ready {
                Ok(()) => table.burst(),
                Err(_) => break,
            },
            _ = sweep.tick() => table.sweep(limits.idle),
            _ = &mut stop => break,
        }
        tokio::task::coop::consume_budget().await;
    }
    table.flows.clear();
    table.tasks.shutdown().await;
}

struct Table {
    frontend: Arc<Frontend>,
    flows: Flows<Pair, Flow>,
    tasks: JoinSet<()>,
}

impl Table {
    /// Passes on what waits, but not for ever.
    fn burst(&mut self) {
        SHARED.with_borrow_mut(|buffer| {
            for _ in 0..BURST {
                match datagram::receive(&self.frontend.socket, self.frontend.wildcard, buffer) {
                    Ok(Received { len, from, to }) => self.pass(&buffer[..len], Pair { client: from, to }),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    // An answer could not be delivered; the next datagram is another matter.
                    Err(_) => {}
                }
            }
        });
    }

    /// Sends a datagram to the flow's endpoint, to another one when that is gone or says no.
    fn pass(&mut self, bytes: &[u8], pair: Pair) {
        let client = Client { address: pair.client.ip(), place: self.frontend.entrance.place };
        if !self.frontend.entrance.port.admits(client) {
            return;
        }
        let mut tried = Vec::new();
        if let Some(flow) = self.flows.get_mut(&pair) {
            if flow.is_good(&self.frontend, client) {
                if flow.upstream.send(bytes, &self.frontend) {
                    return;
                }
                tried.push(flow.target);
            } else if flow.upstream.refused.load(Ordering::Relaxed) {
                tried.push(flow.target);
            }
        }
        for _ in 0..TRIES {
            let port = &self.frontend.entrance.port;
            // When all said no, perhaps one of them says yes again.
            let Some(target) = port.pick(client, &tried).or_else(|| port.pick(client, &[])) else {
                self.flows.remove(&pair);
                return;
            };
            match self.open(pair, client, target) {
                Ok(upstream) if upstream.send(bytes, &self.frontend) => return,
                Ok(_) => {}
                Err(error) => tracing::debug!("no datagrams to endpoint {target}: {error}"),
            }
            tried.push(target);
        }
    }

    /// Makes or replaces a flow.
    fn open(&mut self, pair: Pair, client: Client, target: Target) -> io::Result<Arc<Upstream>> {
        let port = &self.frontend.entrance.port;
        let version = port.version();
        let socket = socket::connected(SocketAddr::new(target.address, target.port))?;
        let upstream = Arc::new(Upstream {
            socket: UdpSocket::from_std(socket)?,
            used: AtomicU64::new(self.frontend.now()),
            refused: AtomicBool::new(false),
        });
        port.sent(client, target);
        let task = self.tasks.spawn(answers(self.frontend.clone(), upstream.clone(), pair));
        self.flows.insert(pair, Flow { upstream: upstream.clone(), target, version, task }, |flow| {
            flow.upstream.used.load(Ordering::Relaxed)
        });
        Ok(upstream)
    }

    fn sweep(&mut self, idle: Duration) {
        let oldest = self.frontend.started.elapsed().checked_sub(idle).map_or(0, millis);
        self.flows.retain(|flow| flow.upstream.used.load(Ordering::Relaxed) >= oldest);
        while self.tasks.try_join_next().is_some() {}
    }
}

impl Frontend {
    fn now(&self) -> u64 {
        millis(self.started.elapsed())
    }
}

impl Flow {
    /// Whether its endpoint is still one for the client, and answers.
    fn is_good(&mut self, frontend: &Frontend, client: Client) -> bool {
        if self.upstream.refused.load(Ordering::Relaxed) {
            return false;
        }
        let port = &frontend.entrance.port;
        let version = port.version();
        if self.version != version {
            if !port.still(client, self.target) {
                return false;
            }
            self.version = version;
        }
        true
    }
}

impl Upstream {
    /// Says whether the endpoint may have got it. A full queue drops it, as the network would.
    fn send(&self, bytes: &[u8], frontend: &Frontend) -> bool {
        self.used.store(frontend.now(), Ordering::Relaxed);
        match SockRef::from(&self.socket).send(bytes) {
            Err(error) if is_refusal(&error) => {
                self.refused.store(true, Ordering::Relaxed);
                false
            }
            _ => true,
        }
    }
}

/// Passes answers on to the client.
async fn answers(frontend: Arc<Frontend>, upstream: Arc<Upstream>, pair: Pair) {
    while upstream.socket.readable().await.is_ok() {
        for _ in 0..BURST {
            let blocked = SHARED.with_borrow_mut(|buffer| {
                let len = match upstream.socket.try_recv(buffer) {
                    Ok(len) => len,
                    Err(error) => {
                        if is_refusal(&error) {
                            upstream.refused.store(true, Ordering::Relaxed);
                        }
                        return Err(error);
                    }
                };
                match datagram::answer(&frontend.socket, &buffer[..len], pair.client, pair.to) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        Ok(Some(buffer[..len].to_vec()))
                    }
                    _ => Ok(None),
                }
            });
            let Ok(blocked) = blocked else { break };
            upstream.used.store(frontend.now(), Ordering::Relaxed);
            if let Some(bytes) = blocked {
                let send = || datagram::answer(&frontend.socket, &bytes, pair.client, pair.to);
                let _ = frontend.socket.async_io(Interest::WRITABLE, send).await;
            }
        }
        tokio::task::coop::consume_budget().await;
    }
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable
    )
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
