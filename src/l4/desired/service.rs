//! One Service -> what this node has to do for each of its ports, before others' claims are looked at.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::node::Here;
use super::select::{self, Selected, Wanted};
use super::{Exposed, Place, Proxied, address};
use crate::l4::ruleset::{Family, Frontend, Protocol};
use crate::model::service::{self, EndpointSet, Service, ServiceKind, ServicePort};
use crate::model::{Kind, Report, Severity};

/// Kubernetes' default for `sessionAffinityConfig.clientIP.timeoutSeconds`.
const AFFINITY_SECONDS: u32 = 10_800;
/// The longest that Kubernetes allows.
const AFFINITY_MOST: u32 = 86_400;

/// What is to be done for a Service.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) ports: Vec<Planned>,
    /// Its usable cluster addresses, sorted.
    pub(super) cluster_ips: Vec<IpAddr>,
    /// Its health check port, and how many ready endpoints it has here.
    pub(super) check: Option<(u16, usize)>,
    pub(super) reports: Vec<Report>,
}

/// A port in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) proxied: Proxied,
    /// Its place in `spec.ports`.
    pub(super) at: usize,
    /// The endpoints that may talk to themselves on this node.
    pub(super) hairpin: Vec<IpAddr>,
}

/// How much of one Service is served: what takes the kernel a few seconds at most.
const MOST_PLACES: usize = 10_000;
const MOST_ELEMENTS: usize = 200_000;
const MOST_RANGES: usize = 2_000;

/// What this node has to do for a Service; `None`: nothing.
pub(super) fn plan(service: &Service, sets: &[Arc<EndpointSet>], here: &Here) -> Option<Plan> {
    let proxied = service.kind == ServiceKind::ClusterIp && !service.exposure.other_proxy;
    if !proxied {
        return None;
    }
    let mut planner = Planner { service, sets, here, reports: Vec::new() };
    let addresses = planner.addresses();
    if !planner.is_fine(&addresses) {
        return Some(Plan { reports: planner.reports, ..Plan::default() });
    }
    let affinity = planner.affinity();
    planner.look_at_endpoints();
    let mut ports = Vec::new();
    let (mut seen, mut node_ports) = (HashSet::new(), HashSet::new());
    for (at, port) in service.ports.iter().enumerate() {
        if !planner.is_new(at, port, &mut seen) {
            continue;
        }
        let node_port = planner.node_port(at, port, &mut node_ports);
        for family in Family::ALL {
            let frontends = planner.frontends(&addresses, port, node_port, family);
            if !frontends.is_empty() {
                ports.push(planner.port(at, frontends, family, affinity));
            }
        }
    }
    planner.tell_of_strays(&addresses);
    let cluster_ips: BTreeSet<IpAddr> = addresses.cluster.iter().copied().collect();
    let check =
        service.exposure.health_check_node_port.filter(|port| service.exposure.external_local && *port != 0);
    Some(Plan {
        ports,
        cluster_ips: cluster_ips.into_iter().collect(),
        check: check.map(|port| (port, planner.ready_here())),
        reports: planner.reports,
    })
}

/// The protocol as rules name it.
pub(super) fn protocol(protocol: service::Protocol) -> Protocol {
    match protocol {
        service::Protocol::Tcp => Protocol::Tcp,
        service::Protocol::Udp => Protocol::Udp,
        service::Protocol::Sctp => Protocol::Sctp,
    }
}

/// The addresses of a Service that can be used.
struct Addresses {
    cluster: Vec<IpAddr>,
    external: Vec<IpAddr>,
    balancer: Vec<IpAddr>,
}

impl Addresses {
    /// Whether the Service has a cluster address of that family.
    fn in_cluster(&self, family: Family) -> bool {
        self.cluster.iter().any(|address| Family::of(*address) == family)
    }
}

struct Planner<'a> {
    service: &'a Service,
    sets: &'a [Arc<EndpointSet>],
    here: &'a Here,
    reports: Vec<Report>,
}

impl Planner<'_> {
    fn tell(&mut self, reason: &'static str, field: String, message: String) {
        let report = Report::new(&self.service.object, Severity::Warning, reason, message);
        self.reports.push(report.at(field, self.service.origin.as_ref()));
    }

    fn addresses(&mut self) -> Addresses {
        let (service, exposure) = (self.service, &self.service.exposure);
        Addresses {
            cluster: self.usable(&service.cluster_ips, "spec.clusterIPs"),
            external: self.usable(&exposure.external_ips, "spec.externalIPs"),
            balancer: self.usable(&exposure.load_balancer_ips, "status.loadBalancer.ingress"),
        }
    }

    fn usable(&mut self, addresses: &[IpAddr], field: &str) -> Vec<IpAddr> {
        let mut fine = Vec::new();
        for address in addresses {
            match address::fault(*address, self.here.loopback) {
                None => fine.push(*address),
                Some(fault) => {
                    let message = format!("{address} is ignored, it is {fault}");
                    self.tell("UnusableAddress", field.to_owned(), message);
                }
            }
        }
        fine
    }

    fn affinity(&mut self) -> Option<u32> {
        let seconds = self.service.exposure.affinity?;
        if (1..=AFFINITY_MOST).contains(&seconds) {
            return Some(seconds);
        }
        let message = format!(
            "a session affinity of {seconds} seconds cannot be, {AFFINITY_SECONDS} are used: write a number from \
             1 to {AFFINITY_MOST}"
        );
        self.tell(
            "InvalidAffinityTimeout",
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds".into(),
            message,
        );
        Some(AFFINITY_SECONDS)
    }

    /// Tells of the endpoints and ports that cannot be used; of each set once.
    fn look_at_endpoints(&mut self) {
        let loopback = self.here.loopback;
        for set in self.sets {
            let old_form = set.object.kind == Kind::Endpoints;
            let warn = |field: &str, message| {
                let field = if old_form { "subsets" } else { field };
                Report::new(&set.object, Severity::Warning, "UnusableEndpoint", message).at(field, None)
            };
            let faults = set.endpoints.iter();
            let faults =
                faults.filter_map(|it| address::fault(it.address, loopback).map(|fault| (it.address, fault)));
            let faults: Vec<_> = faults.collect();
            if let Some((address, fault)) = faults.first() {
                let more = match faults.len() - 1 {
                    0 => String::new(),
                    more => format!(" ({more} more of this object are ignored too)"),
                };
                self.reports.push(warn("endpoints", format!("{address} is ignored{more}, it is {fault}")));
            }
            if set.ports.iter().any(|port| port.port == 0) {
                self.reports
                    .push(warn("ports", "port 0 is ignored: write a number from 1 to 65535".to_owned()));
            }
        }
    }

    /// Whether there is an address, and not so much in all that other Services would have to wait for this one.
    fn is_fine(&mut self, addresses: &Addresses) -> bool {
        if self.service.cluster_ips.is_empty() {
            let message = "no cluster address, so it is not served: add spec.clusterIP, an address of the Service range";
            self.tell("ClusterIPMissing", "spec.clusterIP".to_owned(), message.to_owned());
            return false;
        }
        let places = addresses.cluster.len() + addresses.balancer.len() + addresses.external.len() + 1;
        let endpoints = |port: &ServicePort| -> usize {
            let serve = |set: &&Arc<EndpointSet>| set.ports.iter().any(|known| known.name == port.name);
            self.sets.iter().filter(serve).map(|set| set.endpoints.len()).sum()
        };
        let elements = places.saturating_mul(self.service.ports.iter().map(endpoints).sum());
        let places = places.saturating_mul(self.service.ports.len());
        let ranges = self.service.exposure.source_ranges.as_ref().map_or(0, Vec::len);
        let restricted = addresses.balancer.len() * self.service.ports.len() * ranges;
        let wrong = if places > MOST_PLACES {
            format!("{places} addresses and ports, {MOST_PLACES} are served")
        } else if elements > MOST_ELEMENTS {
            format!("{elements} endpoints over all its addresses and ports, {MOST_ELEMENTS} are served")
        } else if restricted > MOST_RANGES {
            format!(
                "{restricted} source ranges over all its load balancer addresses and ports, {MOST_RANGES} are served"
            )
        } else {
            return true;
        };
        let message = format!("it is not served, it has {wrong}: use fewer, or several Services");
        self.tell("TooLarge", "spec".to_owned(), message);
        false
    }

    /// Whether the port can be used and none before it is the same.
    fn is_new(
        &mut self,
        at: usize,
        port: &ServicePort,
        seen: &mut HashSet<(service::Protocol, u16)>,
    ) -> bool {
        let field = format!("spec.ports[{at}].port");
        if port.port == 0 {
            self.tell("InvalidPort", field, "port 0 is ignored: write a number from 1 to 65535".to_owned());
            return false;
        }
        let new = seen.insert((port.protocol, port.port));
        if !new {
            let name = protocol(port.protocol);
            let message = format!(
                "{name} {} is there twice, the first one is used: remove one or change its number",
                port.port
            );
            self.tell("DuplicatePort", field, message);
        }
        new
    }

    fn node_port(
        &mut self,
        at: usize,
        port: &ServicePort,
        seen: &mut HashSet<(service::Protocol, u16)>,
    ) -> Option<u16> {
        let number = port.node_port.filter(|number| *number != 0)?;
        if seen.insert((port.protocol, number)) {
            return Some(number);
        }
        let name = protocol(port.protocol);
        let message =
            format!("NodePort {name} {number} is there twice, the first one is used: change or remove one");
        self.tell("DuplicateNodePort", format!("spec.ports[{at}].nodePort"), message);
        None
    }

    /// Where clients find the port in that family, sorted; of an address that is there as several kinds the first counts.
    fn frontends(
        &self,
        addresses: &Addresses,
        port: &ServicePort,
        node_port: Option<u16>,
        family: Family,
    ) -> Vec<Exposed> {
        if !addresses.in_cluster(family) && !self.has_endpoints_of(family) {
            return Vec::new();
        }
        let node_port = node_port.filter(|_| addresses.in_cluster(family));
        let any = match family {
            Family::Ip => IpAddr::from([0; 4]),
            Family::Ip6 => IpAddr::from([0; 16]),
        };
        let listed = |kind, addresses: &[IpAddr]| {
            let own = addresses.iter().filter(|address| Family::of(**address) == family);
            own.map(|address| (kind, *address, port.port)).collect::<Vec<_>>()
        };
        // A load balancer's address goes before the same as an external IP: its source ranges count.
        let all = [
            listed(Place::ClusterIp, &addresses.cluster),
            listed(Place::LoadBalancer, &addresses.balancer),
            listed(Place::ExternalIp, &addresses.external),
            node_port.map(|number| (Place::NodePort, any, number)).into_iter().collect(),
        ];
        let (mut frontends, mut seen) = (Vec::new(), HashSet::new());
        for (kind, address, port_number) in all.into_iter().flatten() {
            let frontend = Frontend { address, protocol: protocol(port.protocol), port: port_number };
            if seen.insert(frontend) {
                frontends.push(Exposed { kind, frontend });
            }
        }
        frontends.sort_unstable();
        frontends
    }

    /// Whether anybody made endpoints of that family for the Service.
    fn has_endpoints_of(&self, family: Family) -> bool {
        let mut endpoints = self.sets.iter().flat_map(|set| &set.endpoints);
        endpoints.any(|endpoint| Family::of(endpoint.address) == family)
    }

    /// Addresses of a family that the Service is not in belong to something that translates on its way here: they are
    /// left alone, for refusing them would cut the node off from it.
    fn tell_of_strays(&mut self, addresses: &Addresses) {
        for family in Family::ALL {
            if addresses.in_cluster(family) || self.has_endpoints_of(family) {
                continue;
            }
            let lists = [
                ("spec.externalIPs", &addresses.external),
                ("status.loadBalancer.ingress", &addresses.balancer),
            ];
            for (field, list) in lists {
                let Some(address) = list.iter().find(|address| Family::of(**address) == family) else {
                    continue;
                };
                let label = family.label();
                let message = format!(
                    "{address} is left alone, the Service has neither a cluster address nor endpoints of {label}: \
                     add {label} to spec.ipFamilies, or remove the address"
                );
                self.tell("OtherFamily", field.to_owned(), message);
            }
        }
    }

    fn port(&self, at: usize, frontends: Vec<Exposed>, family: Family, affinity: Option<u32>) -> Planned {
        let (service, port) = (self.service, &self.service.ports[at]);
        let accessible = frontends.iter().any(|exposed| exposed.kind != Place::ClusterIp);
        let internal_local = service.exposure.internal_local;
        let external_local = service.exposure.external_local && accessible;
        let wanted =
            Wanted { cluster: accessible || !internal_local, local: internal_local || external_local };
        let candidates = select::candidates(self.sets, port, family, service.publish_not_ready, self.here);
        let Selected { cluster, local, serving, hairpin, any } =
            select::select(&candidates, wanted, self.here);
        let proxied = Proxied {
            port: port.name.clone(),
            family,
            frontends,
            cluster: cluster.into(),
            local: local.into(),
            serving: serving.into(),
            has_endpoints: any,
            internal_local,
            external_local,
            affinity,
            source_ranges: service.exposure.source_ranges.clone(),
        };
        Planned { proxied, at, hairpin }
    }

    /// How many addresses with a ready endpoint there are on this node.
    fn ready_here(&self) -> usize {
        let sets = self.sets.iter().filter(|set| !set.ports.is_empty());
        let endpoints = sets.flat_map(|set| &set.endpoints).filter(|endpoint| {
            let ready = endpoint.ready || self.service.publish_not_ready;
            ready && !endpoint.terminating && endpoint.is_on(&self.here.node)
        });
        let addresses = endpoints.map(|endpoint| endpoint.address);
        let fine: HashSet<_> =
            addresses.filter(|it| address::fault(*it, self.here.loopback).is_none()).collect();
        // A pod with an address of each family is one.
        let six = fine.iter().filter(|address| address.is_ipv6()).count();
        six.max(fine.len() - six)
    }
}
