//! References and ports -> targets: what takes the requests of each backend.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::Arc;

use super::registry::{BackendKey, Registry, Slot};
use crate::model::route::PortRef;
use crate::model::service::{Endpoint, EndpointSet, Protocol, Service, ServiceKind, ServicePort};
use crate::model::{Key, Snapshot};
use crate::routing::{Backend, BackendId, EndpointTable, Target};

/// Why a backend has no targets, or that it has some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There are targets (or the slot is free).
    Fine,
    /// The Service does not exist.
    NoService,
    /// The Service has no such port.
    NoPort,
    /// No endpoint is ready, nor serving on its way out.
    NoEndpoints,
    /// `--disable-svc-external-name`.
    ExternalNameDisabled,
}

/// The endpoint table with the state of each backend.
#[derive(Debug)]
pub(super) struct Backends {
    pub(super) table: Arc<EndpointTable>,
    pub(super) states: Arc<Vec<State>>,
}

/// What the former result was made of.
pub(super) struct Former<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) registry: &'a Arc<Registry>,
    pub(super) backends: &'a Arc<Backends>,
}

/// Resolves every backend; what did not change since `former` is shared with it.
pub(super) fn resolve(
    snapshot: &Snapshot,
    registry: &Arc<Registry>,
    external_names: bool,
    former: Option<&Former<'_>>,
) -> Arc<Backends> {
    let Some(former) = former else { return Arc::new(resolve_all(snapshot, registry, external_names, None)) };
    if !Arc::ptr_eq(registry, former.registry) {
        return Arc::new(resolve_all(snapshot, registry, external_names, Some(former.backends)));
    }
    let mut changed: HashSet<&Key> = HashSet::new();
    changed.extend(changes(&former.snapshot.services, &snapshot.services, Arc::ptr_eq));
    changed.extend(changes(&former.snapshot.endpoints, &snapshot.endpoints, Arc::ptr_eq));
    let mut table: Option<Vec<Arc<Backend>>> = None;
    let mut states = former.backends.states.clone();
    for &id in changed.iter().flat_map(|service| registry.of_service(service)) {
        let Some(slot) = registry.slot(id) else { continue };
        let (targets, state) = targets(&slot.key, snapshot, external_names);
        let index = id.0 as usize;
        let old = &former.backends.table.backends;
        if states[index] != state {
            Arc::make_mut(&mut states)[index] = state;
        }
        if old[index].targets != targets {
            table.get_or_insert_with(|| old.clone())[index] = Arc::new(backend(slot, targets));
        }
    }
    if table.is_none() && Arc::ptr_eq(&states, &former.backends.states) {
        return former.backends.clone();
    }
    let table = table.map(|backends| Arc::new(EndpointTable { backends }));
    Arc::new(Backends { table: table.unwrap_or_else(|| former.backends.table.clone()), states })
}

fn resolve_all(
    snapshot: &Snapshot,
    registry: &Registry,
    external_names: bool,
    former: Option<&Arc<Backends>>,
) -> Backends {
    let mut backends = Vec::with_capacity(registry.len());
    let mut states = Vec::with_capacity(registry.len());
    for (index, slot) in registry.slots().enumerate() {
        let old = former.and_then(|former| former.table.backends.get(index));
        let (new, state) = match slot {
            Some(slot) => {
                let (targets, state) = targets(&slot.key, snapshot, external_names);
                (backend(slot, targets), state)
            }
            None => (free(), State::Fine),
        };
        backends.push(old.filter(|old| ***old == new).cloned().unwrap_or_else(|| Arc::new(new)));
        states.push(state);
    }
    Backends { table: Arc::new(EndpointTable { backends }), states: Arc::new(states) }
}

fn backend(slot: &Slot, targets: Vec<Target>) -> Backend {
    Backend { serial: slot.serial, service: slot.key.service.clone(), port: slot.port.clone(), targets }
}

fn free() -> Backend {
    Backend { serial: 0, service: Key::new("", ""), port: "".into(), targets: Vec::new() }
}

/// The targets of one backend, sorted, each once.
fn targets(key: &BackendKey, snapshot: &Snapshot, external_names: bool) -> (Vec<Target>, State) {
    let Some(service) = snapshot.services.get(&key.service) else { return (Vec::new(), State::NoService) };
    if let ServiceKind::ExternalName(host) = &service.kind {
        if !external_names {
            return (Vec::new(), State::ExternalNameDisabled);
        }
        let port = external_port(service, key.port.as_ref());
        return port.map_or((Vec::new(), State::NoPort), |port| {
            (vec![Target::Name { host: host.clone(), port }], State::Fine)
        });
    }
    let Some(port) = find_port(service, key.port.as_ref()) else { return (Vec::new(), State::NoPort) };
    if key.cluster
        && let Some(&address) = service.cluster_ips.first()
    {
        return (vec![Target::Address(SocketAddr::new(address, port.port))], State::Fine);
    }
    let sets = snapshot.endpoints.get(&key.service).map_or(&[][..], |sets| sets);
    let targets = endpoints(service, port, sets);
    let state = if targets.is_empty() { State::NoEndpoints } else { State::Fine };
    (targets, state)
}

/// By number or name; else by target port, as ingress-nginx allows.
fn find_port<'a>(service: &'a Service, wanted: Option<&PortRef>) -> Option<&'a ServicePort> {
    let mut tcp = service.ports.iter().filter(|port| port.protocol == Protocol::Tcp);
    let Some(wanted) = wanted else { return tcp.next() };
    let own = tcp.clone().find(|port| match wanted {
        PortRef::Number(number) => port.port == *number,
        PortRef::Name(name) => port.name == *name,
    });
    own.or_else(|| tcp.find(|port| port.target == *wanted))
}

/// An ExternalName Service needs no ports: a number of the Ingress is good as it is.
fn external_port(service: &Service, wanted: Option<&PortRef>) -> Option<u16> {
    match (find_port(service, wanted), wanted) {
        (Some(ServicePort { target: PortRef::Number(target), .. }), _) => Some(*target),
        (Some(port), _) => Some(port.port),
        (None, Some(PortRef::Number(number))) => Some(*number),
        (None, _) => None,
    }
}

/// Ready endpoints; where there are none, those still serving on their way out.
fn endpoints(service: &Service, port: &ServicePort, sets: &[Arc<EndpointSet>]) -> Vec<Target> {
    let ready = |endpoint: &Endpoint| endpoint.ready || service.publish_not_ready;
    let mut targets = collect(service, port, sets, ready);
    if targets.is_empty() {
        targets = collect(service, port, sets, |endpoint| endpoint.serving && endpoint.terminating);
    }
    targets.sort_unstable();
    targets.dedup();
    targets
}

fn collect(
    service: &Service,
    port: &ServicePort,
    sets: &[Arc<EndpointSet>],
    wanted: impl Fn(&Endpoint) -> bool,
) -> Vec<Target> {
    let mut targets = Vec::new();
    for set in sets {
        let ports = ports(service, port, set);
        for endpoint in set.endpoints.iter().filter(|endpoint| wanted(endpoint)) {
            targets
                .extend(ports.iter().map(|&port| Target::Address(SocketAddr::new(endpoint.address, port))));
        }
    }
    targets
}

/// The pods' ports behind a Service's port: those of its name. An unnamed Service port takes any, and a single unnamed
/// port of a set is the only one there can be. A set without ports takes the target port when that is a number.
fn ports(service: &Service, port: &ServicePort, set: &EndpointSet) -> Vec<u16> {
    if let (true, PortRef::Number(target)) = (set.ports.is_empty(), &port.target) {
        return vec![*target];
    }
    let single = service.ports.len() == 1 && set.ports.len() == 1;
    let tcp = set.ports.iter().filter(|of_set| of_set.protocol == Protocol::Tcp);
    let same = tcp.filter(|of_set| {
        port.name.is_empty() || of_set.name == port.name || (single && of_set.name.is_empty())
    });
    same.map(|of_set| of_set.port).collect()
}

/// The keys whose values differ between two maps.
///
/// A map that was cloned and changed a little keeps its order, so walking both side by side finds the differences
/// without a lookup for each key; where the order differs it is looked up.
fn changes<'a, V, S: BuildHasher>(
    old: &'a HashMap<Key, V, S>,
    new: &'a HashMap<Key, V, S>,
    same: impl Fn(&V, &V) -> bool,
) -> Vec<&'a Key> {
    let mut changed = Vec::new();
    if std::ptr::eq(old, new) {
        return changed;
    }
    let (mut old_walk, mut new_walk) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (old_walk.peek(), new_walk.peek()) {
            (None, None) => return changed,
            (Some(&(old_key, old_value)), Some(&(new_key, new_value))) if old_key == new_key => {
                if !same(old_value, new_value) {
                    changed.push(new_key);
                }
                old_walk.next();
                new_walk.next();
            }
            (Some(&(old_key, _)), _) if !new.contains_key(old_key) => {
                changed.push(old_key);
                old_walk.next();
            }
            (_, Some(&(new_key, new_value))) => {
                if !old.get(new_key).is_some_and(|old_value| same(old_value, new_value)) {
                    changed.push(new_key);
                }
                new_walk.next();
            }
            // Still there, but seen by the other walk already.
            (Some(_), None) => drop(old_walk.next()),
        }
    }
}

/// The id's state; a free or foreign id is fine.
pub(super) fn state(states: &[State], id: BackendId) -> State {
    states.get(id.0 as usize).copied().unwrap_or(State::Fine)
}
