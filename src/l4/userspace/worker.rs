//! Worker threads: one per core, each with a runtime of its own. A listener is at one worker; a connection may be given to
//! another one once, when it is fresh, and then stays.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::tcp::{self, Entrance};
use super::udp::{self, Limits};

/// How many sockets may wait to be taken over by a worker.
const PASSED: usize = 1024;
/// How often a worker that is not needed any more looks whether its last connection has ended.
const LAST: Duration = Duration::from_millis(100);

/// A bound socket.
pub(super) enum Bound {
    /// It listens.
    Tcp(std::net::TcpListener),
    /// It is on the unspecified address or not.
    Udp(std::net::UdpSocket, bool),
}

/// What a worker is told.
pub(super) enum Command {
    /// Serve who comes there.
    Listen(u64, Bound, Arc<Entrance>),
    /// Close that. The sender is dropped when nothing of it is open any more, except connections.
    Close(u64, std::sync::mpsc::Sender<()>),
}

/// How a worker is told.
pub(super) type Commands = mpsc::UnboundedSender<Command>;

/// A fresh connection on its way to the worker that serves it.
struct Passed {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    entrance: Arc<Entrance>,
    open: Open,
}

/// The workers as one of them sees them.
#[derive(Clone)]
pub(super) struct Peers {
    own: usize,
    senders: Arc<[mpsc::Sender<Passed>]>,
    active: Arc<[AtomicUsize]>,
}

/// Counts a connection while it is open.
pub(super) struct Open {
    active: Arc<[AtomicUsize]>,
    worker: usize,
}

impl Open {
    fn new(active: &Arc<[AtomicUsize]>, worker: usize) -> Self {
        active[worker].fetch_add(1, Ordering::Relaxed);
        Self { active: active.clone(), worker }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.active[self.worker].fetch_sub(1, Ordering::Relaxed);
    }
}

impl Peers {
    /// Serves a connection here, or where there are fewer.
    pub(super) fn place(&self, stream: TcpStream, peer: SocketAddr, entrance: &Arc<Entrance>) {
        let load = |worker: usize| self.active[worker].load(Ordering::Relaxed);
        let least = (0..self.active.len()).min_by_key(|worker| load(*worker)).unwrap_or(self.own);
        // Passing on costs something: only when it evens out something.
        let target = if load(self.own) > load(least) + 1 { least } else { self.own };
        let (open, entrance) = (Open::new(&self.active, target), entrance.clone());
        if target == self.own {
            tokio::spawn(tcp::serve(stream, peer, entrance, open));
            return;
        }
        let Ok(stream) = stream.into_std() else { return };
        // When that worker is too busy to take it, this one serves it.
        if let Err(mpsc::error::TrySendError::Full(back) | mpsc::error::TrySendError::Closed(back)) =
            self.senders[target].try_send(Passed { stream, peer, entrance, open })
        {
            back.start();
        }
    }
}

impl Passed {
    fn start(self) {
        match TcpStream::from_std(self.stream) {
            Ok(stream) => drop(tokio::spawn(tcp::serve(stream, self.peer, self.entrance, self.open))),
            Err(error) => tracing::warn!("taking over a connection failed: {error}"),
        }
    }
}

/// Starts the threads. They end by themselves when nobody can tell them anything any more and their last connection ended.
pub(super) fn start(count: usize, limits: Limits) -> io::Result<Vec<Commands>> {
    let active: Arc<[AtomicUsize]> = (0..count).map(|_| AtomicUsize::new(0)).collect();
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::channel(PASSED)).unzip();
    let senders: Arc<[_]> = senders.into();
    let mut all = Vec::new();
    for (own, passed) in receivers.into_iter().enumerate() {
        let (sender, commands) = mpsc::unbounded_channel();
        let peers = Peers { own, senders: senders.clone(), active: active.clone() };
        let worker = Worker { peers, limits, listeners: HashMap::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let named = std::thread::Builder::new().name(format!("service-{own}"));
        named.spawn(move || runtime.block_on(worker.run(commands, passed)))?;
        all.push(sender);
    }
    Ok(all)
}

struct Worker {
    peers: Peers,
    limits: Limits,
    /// Dropping the sender ends the task.
    listeners: HashMap<u64, (oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Worker {
    async fn run(
        mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        mut passed: mpsc::Receiver<Passed>,
    ) {
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Listen(id, bound, entrance)) => self.listen(id, bound, entrance),
                    Some(Command::Close(id, done)) => self.close(id, done),
                    None => break,
                },
                Some(passed) = passed.recv() => passed.start(),
            }
        }
        self.listeners.clear();
        let own = self.peers.own;
        while self.peers.active[own].load(Ordering::Relaxed) > 0 {
            tokio::select! {
                Some(passed) = passed.recv() => passed.start(),
                () = tokio::time::sleep(LAST) => {}
            }
        }
    }

    fn listen(&mut self, id: u64, bound: Bound, entrance: Arc<Entrance>) {
        let (stop, stopped) = oneshot::channel();
        let task = match bound {
            Bound::Tcp(socket) => TcpListener::from_std(socket)
                .map(|listener| tokio::spawn(tcp::accept(listener, entrance, self.peers.clone(), stopped))),
            Bound::Udp(socket, wildcard) => UdpSocket::from_std(socket)
                .map(|socket| tokio::spawn(udp::serve(socket, wildcard, entrance, self.limits, stopped))),
        };
        match task {
            Ok(task) => drop(self.listeners.insert(id, (stop, task))),
            Err(error) => tracing::error!("cannot wait for clients of a Service: {error}"),
        }
    }

    fn close(&mut self, id: u64, done: std::sync::mpsc::Sender<()>) {
        let Some((stop, task)) = self.listeners.remove(&id) else { return };
        drop(stop);
        tokio::spawn(async move {
            let _ = task.await;
            drop(done);
        });
    }
}
