//! Which endpoints a port of a Service has, in one family (KEP-1669, KEP-2086, KEP-2433, KEP-4444).

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::address;
use super::node::Here;
use crate::l4::ruleset::{Family, Target};
use crate::model::service::{EndpointSet, ServicePort, Topology};

/// An endpoint that serves the port, usable or not.
pub(super) struct Candidate<'a> {
    target: Target,
    ready: bool,
    /// Still serves, though on its way out.
    leaving: bool,
    on_node: bool,
    topology: Option<&'a Topology>,
}

/// Which sets of endpoints somebody asks for.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) cluster: bool,
    pub(super) local: bool,
}

/// What was chosen; all sorted.
#[derive(Default)]
pub(super) struct Selected {
    pub(super) cluster: Vec<Target>,
    pub(super) local: Vec<Target>,
    /// All that serve, chosen or not.
    pub(super) serving: Vec<Target>,
    /// The addresses that may talk to themselves through the Service on this node: those on it, and those that do not
    /// say where they are.
    pub(super) hairpin: Vec<IpAddr>,
    /// There is a usable endpoint somewhere.
    pub(super) any: bool,
}

/// The endpoints of the port in that family, each address and port once, sorted.
pub(super) fn candidates<'a>(
    sets: &'a [Arc<EndpointSet>],
    port: &ServicePort,
    family: Family,
    unready_too: bool,
    here: &Here,
) -> Vec<Candidate<'a>> {
    let mut found = Vec::new();
    for set in sets {
        let ports =
            set.ports.iter().filter(|known| known.name == port.name && known.protocol == port.protocol);
        for number in ports.map(|known| known.port).filter(|number| *number != 0) {
            let endpoints = set.endpoints.iter();
            let endpoints = endpoints.filter(|endpoint| Family::of(endpoint.address) == family);
            found.extend(
                endpoints.filter(|endpoint| address::fault(endpoint.address, here.loopback).is_none()).map(
                    |endpoint| Candidate {
                        target: Target { address: endpoint.address, port: number },
                        ready: endpoint.ready || unready_too,
                        leaving: endpoint.serving && endpoint.terminating,
                        on_node: endpoint.is_on(&here.node),
                        topology: endpoint.topology.as_deref(),
                    },
                ),
            );
        }
    }
    // Of one that is in several slices the best word counts.
    found.sort_by_key(|it| (it.target, Reverse((it.ready, it.leaving, it.on_node))));
    found.dedup_by_key(|it| it.target);
    found
}

/// Those of the candidates that are used.
pub(super) fn select(candidates: &[Candidate<'_>], wanted: Wanted, here: &Here) -> Selected {
    let usable = |it: &&Candidate<'_>| it.ready || it.leaving;
    let cluster: Vec<_> = if wanted.cluster { cluster(candidates, here) } else { Vec::new() };
    let local: Vec<_> =
        if wanted.local { ready_or_leaving(candidates.iter().filter(|it| it.on_node)) } else { Vec::new() };
    let of = |chosen: &[&Candidate<'_>]| chosen.iter().map(|it| it.target).collect::<Vec<_>>();
    let used: Vec<_> = cluster.iter().chain(&local).copied().collect();
    let unplaced = |it: &Candidate<'_>| it.topology.is_none_or(|topology| topology.node.is_none());
    let hairpin: BTreeSet<_> =
        used.iter().filter(|it| it.on_node || unplaced(it)).map(|it| it.target.address).collect();
    Selected {
        cluster: of(&cluster),
        local: of(&local),
        serving: candidates.iter().filter(usable).map(|it| it.target).collect(),
        hairpin: hairpin.into_iter().collect(),
        any: candidates.iter().any(|it| usable(&it)),
    }
}

fn cluster<'a, 'b>(candidates: &'a [Candidate<'b>], here: &Here) -> Vec<&'a Candidate<'b>> {
    let ready: Vec<_> = candidates.iter().filter(|it| it.ready).collect();
    let near = |hints: fn(&Topology) -> &[crate::model::Name], name: &str| {
        let hints = |it: &Candidate<'b>| it.topology.map(hints).unwrap_or_default();
        let named = |it: &Candidate<'b>| hints(it).iter().any(|hint| **hint == *name);
        let all = ready.iter().all(|it| !hints(it).is_empty());
        let near: Vec<_> = ready.iter().copied().filter(|it| named(it)).collect();
        (all && !near.is_empty()).then_some(near)
    };
    let same_node = near(|topology| &topology.for_nodes, &here.node);
    let same_zone = || near(|topology| &topology.for_zones, here.zone.as_deref()?);
    same_node.or_else(same_zone).unwrap_or_else(|| ready_or_leaving(candidates.iter()))
}

/// The ready ones if there is any, else those that still serve.
fn ready_or_leaving<'a, 'b: 'a>(
    candidates: impl Iterator<Item = &'a Candidate<'b>> + Clone,
) -> Vec<&'a Candidate<'b>> {
    let ready: Vec<_> = candidates.clone().filter(|it| it.ready).collect();
    if ready.is_empty() { candidates.filter(|it| it.leaving).collect() } else { ready }
}
