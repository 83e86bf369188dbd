//! References and ports -> targets: what takes the requests of each backend.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use super::registry::{BackendKey, Registry, Slot};
use crate::model::list::List;
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
#[derive(Debug, Default)]
pub(super) struct Backends {
    pub(super) table: Arc<EndpointTable>,
    pub(super) states: Arc<Vec<State>>,
    /// How many targets there are in all.
    pub(super) targets: usize,
    /// A backend that was there before has another state than then.
    pub(super) flipped: bool,
}

/// What the former result was made of.
pub(super) struct Former<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) registry: &'a Registry,
    pub(super) backends: &'a Arc<Backends>,
}

/// Resolves every backend; what did not change since `former` is shared with it.
pub(super) fn resolve(
    snapshot: &Snapshot,
    registry: &Registry,
    external_names: bool,
    former: Option<&Former<'_>>,
) -> Arc<Backends> {
    let Some(former) = former else {
        let all = registry.changes(&Registry::default());
        return Arc::new(update(snapshot, registry, external_names, &all, &Backends::default()));
    };
    let mut changed = registry.changes(former.registry);
    let given = changed.len();
    let mut seen: HashSet<BackendId> = changed.iter().copied().collect();
    let services = snapshot.services.changes(&former.snapshot.services, Arc::ptr_eq);
    let endpoints = snapshot.endpoints.changes(&former.snapshot.endpoints, Arc::ptr_eq);
    let told = services.into_iter().chain(endpoints).flat_map(|service| registry.of_service(service));
    changed.extend(told.copied().filter(|id| seen.insert(*id)));
    let mut new = update(snapshot, registry, external_names, &changed, former.backends);
    let differs = |id: &BackendId| state(&new.states, *id) != state(&former.backends.states, *id);
    new.flipped = changed[given..].iter().any(differs);
    let same = Arc::ptr_eq(&new.table, &former.backends.table)
        && Arc::ptr_eq(&new.states, &former.backends.states)
        && former.backends.flipped == new.flipped;
    if same { former.backends.clone() } else { Arc::new(new) }
}

/// Resolves some backends anew.
fn update(
    snapshot: &Snapshot,
    registry: &Registry,
    external_names: bool,
    changed: &[BackendId],
    former: &Backends,
) -> Backends {
    let mut table: Option<List<Arc<Backend>>> = None;
    let mut states = former.states.clone();
    let mut count = former.targets;
    for &id in changed {
        let (new, state) = match registry.slot(id) {
            Some(slot) => {
                let (targets, state) = targets(&slot.key, snapshot, external_names);
                (backend(slot, targets), state)
            }
            None => (free(), State::Fine),
        };
        let old = former.table.find(id);
        if old.is_some_and(|old| **old == new) && super::backends::state(&states, id) == state {
            continue;
        }
        let states = Arc::make_mut(&mut states);
        count = count + new.targets.len() - old.map_or(0, |old| old.targets.len());
        let table = table.get_or_insert_with(|| former.table.backends.clone());
        // Ids are given in order, so a new one is the next.
        if let Some(place) = table.get_mut(id.0 as usize) {
            *place = Arc::new(new);
            states[id.0 as usize] = state;
        } else {
            table.push(Arc::new(new));
            states.push(state);
        }
    }
    let table = table.map(|backends| Arc::new(EndpointTable { backends }));
    Backends { table: table.unwrap_or_else(|| former.table.clone()), states, targets: count, flipped: false }
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

/// The id's state; a free or foreign id is fine.
pub(super) fn state(states: &[State], id: BackendId) -> State {
    states.get(id.0 as usize).copied().unwrap_or(State::Fine)
}
