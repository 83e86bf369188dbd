//! Services without privileges: sockets of our own on the Services' addresses and ports.
//!
//! ```text
//! Services ── update ──> State: ports with their endpoints, listening sockets
//!                          │ bound here, given to one worker each
//!                          v
//! worker (thread, runtime) ── accept ──> pick an endpoint ──> bytes both ways
//!                          └─ datagrams ──> a flow per client, with a socket of its own
//! ```
//!
//! The workers are threads of their own, one per core: what the rest of the program does (reading objects, answering probes)
//! does not delay packets, and a connection never moves between cores. A place without any usable endpoint is not listened
//! on, so the kernel refuses at once.

mod affinity;
mod datagram;
#[cfg(target_os = "linux")]
mod pipe;
mod port;
mod pump;
mod refused;
mod socket;
mod state;
mod tcp;
mod udp;
mod worker;

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;

use super::desired::Proxied;
use crate::model::Key;
use crate::model::map::Map;
use state::State;

pub use refused::{Cause, Refused};

/// How often a place that something else has is tried again.
const RETRY: Duration = Duration::from_secs(3);
/// Everything else that was refused is tried again every so many times.
const RETRY_ALL: u32 = 10;

/// How Services are served.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many worker threads; 0: one per core.
    pub workers: usize,
    /// Which addresses of this machine answer NodePorts; none given: all. A single address need not exist yet.
    pub node_ports: Vec<IpNet>,
    /// Clients in these ranges are in the cluster: `externalTrafficPolicy: Local` does not hold for them, as it does not
    /// for this machine itself.
    pub pods: Vec<IpNet>,
    /// How long a UDP client keeps its endpoint without sending or getting anything.
    pub udp_idle: Duration,
    /// How many UDP clients one frontend has at most; the one idle longest goes first.
    pub udp_flows: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 0,
            node_ports: Vec::new(),
            pods: Vec::new(),
            udp_idle: Duration::from_mins(2),
            udp_flows: 4096,
        }
    }
}

/// Serves Services with sockets. Dropping it closes what listens; connections under way last until both sides are done.
pub struct Userspace {
    state: Arc<Mutex<State>>,
    /// Dropping it ends the thread that tries again.
    _retrying: Sender<()>,
}

impl Userspace {
    /// Starts the workers. Fails when there can be no thread.
    pub fn new(options: Options) -> io::Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let count = if options.workers == 0 { cores() } else { options.workers };
        let limits = udp::Limits { flows: options.udp_flows, idle: options.udp_idle };
        let workers = worker::start(count, limits)?;
        let state = Arc::new(Mutex::new(State::new(workers, &options.pods, options.node_ports)));
        let (retrying, ended) = mpsc::channel();
        let shared = state.clone();
        std::thread::Builder::new().name("service-retry".to_owned()).spawn(move || {
            let mut round: u32 = 0;
            while ended.recv_timeout(RETRY) == Err(RecvTimeoutError::Timeout) {
                round = round.wrapping_add(1);
                retry(&shared, round.is_multiple_of(RETRY_ALL));
            }
        })?;
        Ok(Self { state, _retrying: retrying })
    }

    /// Opens what is new, closes what is gone, gives the rest its new endpoints. New clients get the new endpoints when this
    /// returns; connections under way keep theirs; UDP clients whose endpoint left get another one with their next datagram.
    ///
    /// Gives everything that is not listened on now: it is tried again in the background. Costs what has changed since the
    /// last call. Waits for the workers to close what is gone, usually much less than a millisecond.
    pub fn update(&mut self, services: &Map<Key, Arc<[Proxied]>>) -> Vec<Refused> {
        let mut state = lock(&self.state);
        state.update(services);
        state.refused()
    }

    /// Everything that is not listened on at this moment, one for each Service and cause, sorted.
    pub fn refused(&self) -> Vec<Refused> {
        lock(&self.state).refused()
    }

    /// Other addresses answer NodePorts, from the next update on.
    pub fn set_node_ports(&mut self, ranges: &[IpNet]) {
        lock(&self.state).set_node_ports(ranges);
    }
}

fn retry(state: &Mutex<State>, all: bool) {
    let mut state = lock(state);
    let (tried, opened) = state.retry(|cause| all || *cause == Cause::Taken);
    if opened > 0 {
        tracing::info!("{opened} of {tried} places of Services that could not be listened on now can");
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
