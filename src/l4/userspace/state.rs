//! Which sockets there are, and what has to be opened and closed when Services change.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::port::{Port, is_served};
use super::refused::{Cause, Refused};
use super::socket;
use super::tcp::Entrance;
use super::worker::{Bound, Command, Commands};
use crate::l4::desired::{Exposed, Place, Proxied};
use crate::l4::ruleset::{Family, Frontend, Protocol};
use crate::model::map::Map;
use crate::model::{Key, Name};

/// How long an update waits for sockets to be closed. A worker needs a fraction of a millisecond.
const CLOSED: Duration = Duration::from_secs(1);

/// A port of a Service among its others.
type PortId = (Name, Family, Option<(Protocol, u16)>);

/// A place to listen: what only one socket can have.
type Listen = (SocketAddr, Protocol);

/// What one Service has.
#[derive(Default)]
struct Held {
    ports: HashMap<PortId, Arc<Port>>,
    open: HashMap<Listen, Open>,
    /// Where nobody listens though somebody should.
    refused: BTreeMap<Listen, (Wanted, Cause)>,
    /// SCTP frontends.
    ignored: Vec<Frontend>,
}

/// A socket at one of the workers.
struct Open {
    id: u64,
    worker: usize,
    port: PortId,
    place: Place,
}

/// A socket there should be.
#[derive(Clone)]
struct Wanted {
    exposed: Exposed,
    port: PortId,
}

/// Everything that is open.
pub(super) struct State {
    workers: Vec<Commands>,
    pods: Arc<[IpNet]>,
    node_ports: Vec<IpNet>,
    former: Map<Key, Arc<[Proxied]>>,
    services: HashMap<Key, Held>,
    next: u64,
}

impl State {
    pub(super) fn new(workers: Vec<Commands>, pods: &[IpNet], node_ports: Vec<IpNet>) -> Self {
        let (former, services) = (Map::default(), HashMap::new());
        Self { workers, pods: pods.into(), node_ports, former, services, next: 0 }
    }

    /// NodePorts are on other addresses; in force after the next update.
    pub(super) fn set_node_ports(&mut self, ranges: &[IpNet]) {
        if self.node_ports != ranges {
            self.node_ports = ranges.to_vec();
            // Nothing is taken for granted; what stays the same is found to be so.
            self.former = self.services.keys().map(|key| (key.clone(), Arc::from([]))).collect();
        }
    }

    /// Brings sockets and endpoints to what is wanted.
    pub(super) fn update(&mut self, services: &Map<Key, Arc<[Proxied]>>) {
        let changed: Vec<Key> = services.changes(&self.former, Arc::ptr_eq).into_iter().cloned().collect();
        let none: Arc<[Proxied]> = Arc::from([]);
        // First all that closes: what one Service gives up another one may want.
        let (done, closed) = mpsc::channel();
        let mut wanted = Vec::with_capacity(changed.len());
        for key in &changed {
            let all = services.get(key).unwrap_or(&none);
            let places = self.places(all);
            let held = self.services.entry(key.clone()).or_default();
            held.ignored = sctp(all);
            held.refused.clear();
            held.ports.retain(|known, _| all.iter().any(|port| id(port) == *known));
            for (at, port) in all.iter().enumerate() {
                let id = id(port);
                match held.ports.get(&id) {
                    Some(known) => known.set(all.clone(), at),
                    None => {
                        held.ports.insert(id, Arc::new(Port::new(all.clone(), at, self.pods.clone())));
                    }
                }
            }
            let gone = held.open.extract_if(|listen, open| {
                !places.get(listen).is_some_and(|new| new.port == open.port && new.exposed.kind == open.place)
            });
            for (_, open) in gone {
                let _ = self.workers[open.worker].send(Command::Close(open.id, done.clone()));
            }
            wanted.push(places);
        }
        drop(done);
        wait(&closed);
        for (key, places) in changed.iter().zip(wanted) {
            self.open(key, places);
        }
        self.services.retain(|key, _| services.contains_key(key));
        self.former = services.clone();
    }

    /// Tries again what was refused for such a cause. Says how many there were and how many are open now.
    pub(super) fn retry(&mut self, which: impl Fn(&Cause) -> bool) -> (usize, usize) {
        let waits = |held: &Held| held.refused.values().any(|(_, cause)| which(cause));
        let keys: Vec<Key> =
            self.services.iter().filter(|(_, held)| waits(held)).map(|(key, _)| key.clone()).collect();
        let (mut tried, mut left) = (0, 0);
        for key in keys {
            let Some(held) = self.services.get_mut(&key) else { continue };
            let again: BTreeMap<Listen, (Wanted, Cause)> =
                held.refused.extract_if(.., |_, (_, cause)| which(cause)).collect();
            tried += again.len();
            left +=
                self.open(&key, again.into_iter().map(|(listen, (wanted, _))| (listen, wanted)).collect());
        }
        (tried, tried - left)
    }

    /// Everything that could not be listened on, one for each Service and cause, sorted.
    pub(super) fn refused(&self) -> Vec<Refused> {
        let mut all: BTreeMap<(&Key, &Cause), Vec<Frontend>> = BTreeMap::new();
        for (key, held) in &self.services {
            for (wanted, cause) in held.refused.values() {
                all.entry((key, cause)).or_default().push(wanted.exposed.frontend);
            }
            if !held.ignored.is_empty() {
                all.insert((key, &Cause::Sctp), held.ignored.clone());
            }
        }
        let refused = all.into_iter().map(|((service, cause), mut frontends)| {
            frontends.sort_unstable();
            frontends.dedup();
            Refused { service: service.clone(), frontends, cause: cause.clone() }
        });
        refused.collect()
    }

    /// Opens what is not open yet; says how many could not be.
    fn open(&mut self, key: &Key, places: BTreeMap<Listen, Wanted>) -> usize {
        let Some(held) = self.services.get_mut(key) else { return 0 };
        let mut refused = 0;
        for (listen, wanted) in places {
            if held.open.contains_key(&listen) {
                continue;
            }
            let Some(port) = held.ports.get(&wanted.port) else { continue };
            let (id, place) = (self.next, wanted.exposed.kind);
            let worker = usize::try_from(id).unwrap_or(0) % self.workers.len();
            match bind(listen) {
                Ok(bound) => {
                    let entrance = Arc::new(Entrance { port: port.clone(), place });
                    let _ = self.workers[worker].send(Command::Listen(id, bound, entrance));
                    self.next += 1;
                    held.open.insert(listen, Open { id, worker, port: wanted.port, place });
                }
                Err(error) => {
                    refused += 1;
                    held.refused.insert(listen, (wanted, Cause::from(&error)));
                }
            }
        }
        refused
    }

    /// Where a Service is to be found: only where an endpoint could serve it. Elsewhere the kernel refuses.
    fn places(&self, all: &[Proxied]) -> BTreeMap<Listen, Wanted> {
        let mut places = BTreeMap::new();
        for port in all {
            let served = port.frontends.iter().filter(|exposed| is_served(port, exposed.kind));
            for exposed in served.filter(|exposed| exposed.frontend.protocol != Protocol::Sctp) {
                let wanted = Wanted { exposed: *exposed, port: id(port) };
                let frontend = exposed.frontend;
                for address in self.addresses(frontend) {
                    let listen = (SocketAddr::new(address, frontend.port), frontend.protocol);
                    places.entry(listen).or_insert_with(|| wanted.clone());
                }
            }
        }
        places
    }

    fn addresses(&self, frontend: Frontend) -> Vec<IpAddr> {
        if frontend.is_node_port() {
            return socket::node_addresses(frontend.address, &self.node_ports);
        }
        vec![frontend.address]
    }
}

fn bind((address, protocol): Listen) -> std::io::Result<Bound> {
    match protocol {
        Protocol::Tcp => socket::tcp(address).map(Bound::Tcp),
        Protocol::Udp => socket::udp(address).map(|socket| Bound::Udp(socket, address.ip().is_unspecified())),
        Protocol::Sctp => Err(std::io::ErrorKind::Unsupported.into()),
    }
}

/// Its name and family, and what tells two without a name apart: its number, which all of its addresses share.
fn id(port: &Proxied) -> PortId {
    let number = port.frontends.first().map(|exposed| (exposed.frontend.protocol, exposed.frontend.port));
    (port.port.clone(), port.family, number)
}

fn sctp(all: &[Proxied]) -> Vec<Frontend> {
    let frontends = all.iter().flat_map(|port| port.frontends.iter().map(|exposed| exposed.frontend));
    frontends.filter(|frontend| frontend.protocol == Protocol::Sctp).collect()
}

/// Waits until nobody holds a sender any more.
fn wait(closed: &mpsc::Receiver<()>) {
    let deadline = Instant::now() + CLOSED;
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        if let Err(mpsc::RecvTimeoutError::Disconnected) = closed.recv_timeout(left) {
            return;
        }
    }
    tracing::warn!(
        "sockets of Services are still open after {CLOSED:?}; they close as soon as the workers get to it"
    );
}
