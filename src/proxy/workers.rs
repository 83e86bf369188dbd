//! Starts the worker threads, drains and stops them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::connection::Listener;
use super::listener::{self, Peers};
use super::tls::Acceptors;
use super::worker::{self, Shared, Worker};
use super::{log, timer};
use crate::metrics::Metrics;
use crate::publish::Published;
use crate::routing::Tables;

/// How long the end waits for the rest of the access log to be written.
const LAST_LINES: Duration = Duration::from_secs(1);
/// How many sockets may wait to be taken over by a worker.
const PASSED: usize = 1024;

/// Where lines of the access log go. The settings turn it on and off at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Nowhere, whatever the settings say.
    Off,
}

/// What the proxy listens on and how it runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses for HTTP; port 0 lets the kernel choose.
    pub http: Vec<SocketAddr>,
    /// Addresses for HTTPS; port 0 lets the kernel choose.
    pub https: Vec<SocketAddr>,
    /// Worker threads, at least one.
    pub workers: usize,
    /// The access log.
    pub log: LogTarget,
}

/// The addresses that are listened on, with the ports the kernel chose.
#[derive(Clone, Debug, Default)]
pub struct Bound {
    /// For HTTP.
    pub http: Vec<SocketAddr>,
    /// For HTTPS.
    pub https: Vec<SocketAddr>,
}

/// Why the proxy could not start.
#[derive(Debug)]
pub enum Error {
    /// An address cannot be listened on.
    Bind(SocketAddr, io::Error),
    /// A thread or its runtime could not be started.
    Thread(io::Error),
    /// TLS could not be set up.
    Tls(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(address, why) if why.kind() == io::ErrorKind::AddrInUse => {
                let port = address.port();
                write!(f, "port {port} is taken: stop what listens on {address}, or choose another port")
            }
            Self::Bind(address, why) if why.kind() == io::ErrorKind::PermissionDenied => write!(
                f,
                "port {} needs privileges: choose one from 1024 up, or grant CAP_NET_BIND_SERVICE",
                address.port()
            ),
            Self::Bind(address, why) => write!(f, "cannot listen on {address}: {why}"),
            Self::Thread(why) => write!(f, "cannot start a worker thread: {why}"),
            Self::Tls(why) => write!(f, "cannot set up TLS: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// The running proxy.
pub struct Proxy {
    bound: Bound,
    shared: Arc<Shared>,
    accepting: watch::Sender<bool>,
    stopping: watch::Sender<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    log: Mutex<Option<JoinHandle<()>>>,
}

/// The sockets of one listener, one a worker.
type Sockets = (Arc<Listener>, Vec<std::net::TcpListener>);

/// Binds everything and starts the workers. Nothing is accepted before [`Proxy::open`].
pub fn start(options: &Options, tables: &Published<Tables>, metrics: &Metrics) -> Result<Proxy, Error> {
    let workers = options.workers.max(1);
    let (http, mut sockets) = bind(&options.http, false, workers)?;
    let (https, more) = bind(&options.https, true, workers)?;
    sockets.extend(more);
    let (log, writer) = match options.log {
        LogTarget::Stdout => {
            log::writer().map(|(sender, thread)| (Some(sender), Some(thread))).map_err(Error::Thread)?
        }
        LogTarget::Off => (None, None),
    };
    let shared = Arc::new(Shared {
        draining: AtomicBool::new(false),
        listening: AtomicUsize::new(0),
        active: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
        acceptors: Acceptors::new(tables.clone()).map_err(|error| Error::Tls(error.to_string()))?,
        log,
        metrics: metrics.clone(),
    });
    let (accepting, _) = watch::channel(false);
    let (stopping, _) = watch::channel(false);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::channel(PASSED)).unzip();
    let peers: Peers = senders.into();
    let mut threads = Vec::new();
    for (index, passed) in receivers.into_iter().enumerate() {
        let own = sockets.iter_mut().filter_map(|(listener, list)| Some((listener.clone(), list.pop()?)));
        let seat = Seat {
            index,
            shared: shared.clone(),
            tables: tables.clone(),
            sockets: own.collect(),
            passed,
            peers: peers.clone(),
            accepting: accepting.subscribe(),
            stopping: stopping.subscribe(),
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Thread)?;
        let named = std::thread::Builder::new().name(format!("worker-{index}"));
        let run = move || {
            runtime.block_on(seat.run());
            // Ends the requests that are left, which are logged, without waiting for names that are being looked up.
            runtime.shutdown_background();
            worker::try_with(Worker::send_counts);
            worker::try_with(Worker::write_log);
        };
        threads.push(named.spawn(run).map_err(Error::Thread)?);
    }
    let (threads, log) = (Mutex::new(threads), Mutex::new(writer));
    Ok(Proxy { bound: Bound { http, https }, shared, accepting, stopping, threads, log })
}

fn bind(
    addresses: &[SocketAddr],
    secure: bool,
    workers: usize,
) -> Result<(Vec<SocketAddr>, Vec<Sockets>), Error> {
    let mut bound = Vec::new();
    let mut all = Vec::new();
    for &address in addresses {
        let (address, sockets) =
            listener::bind(address, workers).map_err(|error| Error::Bind(address, error))?;
        // ingress-nginx tells backends 443 for TLS, whatever the port is here.
        let port = if secure { "443".to_owned() } else { address.port().to_string() };
        bound.push(address);
        all.push((Arc::new(Listener { secure, port }), sockets));
    }
    Ok((bound, all))
}

impl Proxy {
    /// Where it listens.
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Begins to accept. Connections made before wait in the kernel's queue.
    pub fn open(&self) {
        self.accepting.send_replace(true);
    }

    /// Stops accepting and lets every connection end after what is in flight: HTTP/1 with `Connection: close`, HTTP/2
    /// with GOAWAY, idle ones at once.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.accepting.send_replace(false);
    }

    /// Ready once no connection is open.
    pub async fn drained(&self) {
        let mut interval = tokio::time::interval(Duration::from_millis(20));
        loop {
            interval.tick().await;
            let listening = self.shared.listening.load(Ordering::Acquire);
            if listening == 0 && self.open_connections() == 0 {
                return;
            }
        }
    }

    /// How many client connections are open.
    pub fn open_connections(&self) -> usize {
        self.shared.active.iter().map(|active| active.load(Ordering::Acquire)).sum()
    }

    /// Ends all workers at once and writes the rest of the log.
    pub fn stop(self) {
        self.stopping.send_replace(true);
        let Self { threads, log, shared, .. } = self;
        for thread in threads.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let _ = thread.join();
        }
        drop(shared); // the last sender of log lines
        // A reader of the log that does not read must not keep the process.
        let writer = log.into_inner().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + LAST_LINES;
        while writer.as_ref().is_some_and(|writer| !writer.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// What a worker thread begins with.
struct Seat {
    index: usize,
    shared: Arc<Shared>,
    tables: Published<Tables>,
    sockets: Vec<(Arc<Listener>, std::net::TcpListener)>,
    passed: mpsc::Receiver<listener::Accepted>,
    peers: Peers,
    accepting: watch::Receiver<bool>,
    stopping: watch::Receiver<bool>,
}

impl Seat {
    async fn run(mut self) {
        worker::install(self.index, self.shared, self.tables.reader());
        drop(self.tables);
        tokio::spawn(listener::take_over(self.passed));
        let mut ticks = tokio::time::interval(timer::TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut waiting = Some(self.sockets);
        let mut draining = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => worker::with(Worker::tick),
                () = listener::until(&mut self.accepting, true), if waiting.is_some() => {
                    for (listener, socket) in waiting.take().into_iter().flatten() {
                        listen(socket, listener, &self.peers, &self.accepting);
                    }
                }
                () = listener::until(&mut self.stopping, true) => break,
            }
            if !draining && worker::with(Worker::is_draining) {
                draining = true;
                timer::wake_all();
            }
        }
    }
}

fn listen(
    socket: std::net::TcpListener,
    listener: Arc<Listener>,
    peers: &Peers,
    accepting: &watch::Receiver<bool>,
) {
    match TcpListener::from_std(socket) {
        Ok(socket) => {
            worker::with(|worker| worker.shared.listening.fetch_add(1, Ordering::Relaxed));
            drop(tokio::spawn(listener::accept(socket, listener, peers.clone(), accepting.clone())));
        }
        Err(error) => tracing::error!("cannot accept on a socket: {error}"),
    }
}
