//! What changed between two results: for conntrack, for the map of remembered clients, for metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Desired, Exposed, Proxied};
use crate::l4::ruleset::{Frontend, Protocol, Target};

/// Connections, or remembered clients, that must not stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stale {
    /// What the client talks to.
    pub frontend: Frontend,
    /// Where it was sent. `None`: in conntrack, every entry of the frontend that was sent nowhere; of remembered clients,
    /// every one of the frontend.
    pub target: Option<Target>,
}

/// How much changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// How many Services.
    pub services: usize,
    /// How many `EndpointSlice`s or subsets of Endpoints.
    pub endpoint_sets: usize,
    /// When those came about that say so: milliseconds since 1970, sorted.
    pub triggered: Vec<i64>,
}

impl Desired {
    /// What of the snapshot changed since a former one.
    pub fn changed_since(&self, former: &Self) -> Change {
        let (now, then) = (&self.state, &former.state);
        let services = now.services.changes(&then.services, |a, b| Arc::ptr_eq(a, b) || a == b);
        let mut change = Change { services: services.len(), ..Change::default() };
        for key in now.endpoints.changes(&then.endpoints, Arc::ptr_eq) {
            let [new, old] =
                [now, then].map(|it| it.endpoints.get(key).map(AsRef::as_ref).unwrap_or_default());
            let come: Vec<_> = new.iter().filter(|set| !old.contains(set)).collect();
            let gone = old.iter().filter(|set| new.iter().all(|other| other.object != set.object));
            change.endpoint_sets += come.len() + gone.count();
            // What was not told anew tells of an older change.
            let told = |at: &i64| old.iter().all(|set| set.triggered != Some(*at));
            change.triggered.extend(come.iter().filter_map(|set| set.triggered).filter(told));
        }
        change.triggered.sort_unstable();
        change
    }
}

/// What is to be removed from conntrack, sorted: UDP connections to endpoints that left, and those to frontends that just got
/// their first endpoint.
pub fn stale_udp(former: &Desired, now: &Desired) -> Vec<Stale> {
    let udp = |frontend: &Frontend, _: &Proxied| frontend.protocol == Protocol::Udp;
    let (then, now) = views(former, now, udp);
    // A flow to an endpoint that still serves goes on, also when policy, hints or a better endpoint choose another now.
    let mut stale = left(&then, &now, |view| &view.serving);
    let empty = |frontend: &Frontend| then.get(frontend).is_none_or(|view| view.targets.is_empty());
    let first = now.iter().filter(|(frontend, view)| !view.targets.is_empty() && empty(frontend));
    stale.extend(first.map(|(frontend, _)| Stale { frontend: *frontend, target: None }));
    stale.sort_unstable();
    stale
}

/// The endpoints that serve each UDP frontend with any: connections of these frontends to others lead nowhere.
pub fn serving_udp(now: &Desired) -> BTreeMap<Frontend, BTreeSet<Target>> {
    let mut serving: BTreeMap<Frontend, BTreeSet<Target>> = BTreeMap::new();
    for port in now.services.values().flat_map(|ports| ports.iter()).filter(|port| !port.serving.is_empty()) {
        let frontends = port.frontends.iter().map(|exposed| exposed.frontend);
        for frontend in frontends.filter(|frontend| frontend.protocol == Protocol::Udp) {
            serving.insert(frontend, port.serving.iter().copied().collect());
        }
    }
    serving
}

/// Which clients are to be forgotten, sorted: those of endpoints that left, and all of a frontend that has no affinity any
/// more or another external policy (an endpoint elsewhere would then be reached with the client's own address, and answer
/// past this node).
pub fn stale_clients(former: &Desired, now: &Desired) -> Vec<Stale> {
    let (then, now) = views(former, now, |_, port| port.affinity.is_some());
    let mut stale = Vec::new();
    let mut kept = BTreeMap::new();
    for (frontend, view) in then {
        if now.get(&frontend).is_some_and(|new| new.outside_apart == view.outside_apart) {
            kept.insert(frontend, view);
        } else {
            stale.push(Stale { frontend, target: None });
        }
    }
    stale.extend(left(&kept, &now, |view| &view.targets));
    stale.sort_unstable();
    stale
}

/// Where a frontend leads.
#[derive(Default)]
struct View {
    targets: BTreeSet<Target>,
    serving: BTreeSet<Target>,
    outside_apart: bool,
}

type Views = BTreeMap<Frontend, View>;

/// Where the frontends of the Services that changed led, and lead.
fn views(former: &Desired, now: &Desired, wanted: impl Fn(&Frontend, &Proxied) -> bool) -> (Views, Views) {
    let (mut then, mut new) = (Views::new(), Views::new());
    for key in now.services.changes(&former.services, Arc::ptr_eq) {
        for (views, desired) in [(&mut then, former), (&mut new, now)] {
            for port in desired.services.get(key).into_iter().flat_map(|ports| ports.iter()) {
                let frontends = port.frontends.iter().filter(|exposed| wanted(&exposed.frontend, port));
                views.extend(frontends.map(|exposed| (exposed.frontend, view(port, exposed))));
            }
        }
    }
    (then, new)
}

fn view(port: &Proxied, exposed: &Exposed) -> View {
    let outside_apart = port.is_outside_apart(exposed.kind);
    let outside: &[Target] = if outside_apart { &port.local } else { &[] };
    let targets = port.targets(exposed.kind).iter().chain(outside).copied().collect();
    View { targets, serving: port.serving.iter().copied().collect(), outside_apart }
}

/// The targets that were there and are no longer.
fn left(then: &Views, now: &Views, of: impl Fn(&View) -> &BTreeSet<Target>) -> Vec<Stale> {
    let nothing = View::default();
    let mut stale = Vec::new();
    for (frontend, view) in then {
        let new = now.get(frontend).unwrap_or(&nothing);
        let gone = of(view).difference(of(new));
        stale.extend(gone.map(|target| Stale { frontend: *frontend, target: Some(*target) }));
    }
    stale
}
