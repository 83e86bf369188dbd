//! Makes the names of a Service, and shares what did not change with those there are.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::endpoint::Ready;
use super::super::frame::Frame;
use super::super::node::{Data, Host, Node, Rank, Records, Srv, records};
use super::super::port::{self, Port};
use crate::dns::wire::name::Name;
use crate::model::service::{EndpointPort, EndpointSet, Service, ServicePort};

pub(super) struct Maker<'a> {
    pub(super) frame: &'a Frame,
    /// What the Service had before, in order of the names.
    pub(super) former: &'a [Arc<Node>],
    /// The Service's.
    pub(super) name: Name,
    pub(super) nodes: Vec<Arc<Node>>,
}

impl Maker<'_> {
    /// A Service with addresses of its own.
    pub(super) fn cluster(&mut self, service: &Service, endpoints: &[Ready<'_>]) {
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in service.cluster_ips.iter().map(IpAddr::to_canonical) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let (v4, v6) = records(self.frame, addresses.iter().copied());
        let host =
            |srv: Option<Srv>, rank| Host { v4: v4.clone(), v6: v6.clone(), srv: srv.map(Arc::new), rank };
        let mut ports = Vec::new();
        if !addresses.is_empty() {
            ports.extend(service.ports.iter().filter_map(|port| Port::new(&port.name, port.protocol)));
        }
        for (port, name) in self.ports(ports) {
            let skip = name.as_wire().len() - self.name.as_wire().len();
            let same = |other: &&ServicePort| {
                Port::new(&other.name, other.protocol).is_some_and(|other| other.same(&port))
            };
            let numbers = service.ports.iter().filter(same).map(|port| port.port);
            let srv = port::own(skip, numbers.clone(), numbers.count() * addresses.len());
            self.put(Data::Host(host(srv, None)), name);
        }
        let numbers = service.ports.iter().map(|port| port.port).filter(|_| !addresses.is_empty());
        let srv = port::own(0, numbers, service.ports.len() * addresses.len());
        self.put(Data::Host(host(srv, Some(Rank::Service))), self.name.clone());
        self.endpoints(endpoints);
    }

    /// A Service whose name has the addresses of its endpoints, of which there are some.
    pub(super) fn headless(&mut self, endpoints: &[Ready<'_>]) {
        let hosts = self.endpoints(endpoints);
        let named =
            || groups(endpoints).zip(&hosts).filter_map(|(group, host)| Some((group, host.as_ref()?)));
        let whole = Host {
            srv: port::hosts(named(), |_| true).map(Arc::new),
            ..self.union(endpoints, None, |_| true)
        };
        let mut sets: Vec<&EndpointSet> = endpoints.iter().map(|ready| ready.set).collect();
        sets.sort_by_key(|set| std::ptr::from_ref(*set));
        sets.dedup_by_key(|set| std::ptr::from_ref(*set));
        let ports = sets.iter().flat_map(|set| &set.ports);
        let ports = ports.filter_map(|port| Port::new(&port.name, port.protocol)).collect();
        for (port, name) in self.ports(ports) {
            let wanted = |candidate: &EndpointPort| port.is(candidate);
            // Where each endpoint has this port and no other, it is the Service over again.
            let only = sets.iter().all(|set| !set.ports.is_empty() && set.ports.iter().all(wanted));
            let host = if only {
                whole.clone()
            } else {
                Host {
                    srv: port::hosts(named(), wanted).map(Arc::new),
                    ..self.union(endpoints, Some(&whole), wanted)
                }
            };
            self.put(Data::Host(host), name);
        }
        self.put(Data::Host(whole), self.name.clone());
    }

    /// The ports with their names, each once. The names between, `_tcp` and the like, are added.
    fn ports(&mut self, mut ports: Vec<Port>) -> Vec<(Port, Name)> {
        Port::sort(&mut ports);
        let mut parents = Vec::new();
        let mut named = Vec::new();
        for port in ports {
            if let Some((parent, name)) = port.names(&self.name) {
                parents.push(parent);
                named.push((port, name));
            }
        }
        parents.sort();
        parents.dedup();
        for parent in parents {
            self.put(Data::Parent { children: 0 }, parent);
        }
        named
    }

    /// The names of endpoints; one for each group of equal names, where it is not too long.
    fn endpoints(&mut self, endpoints: &[Ready<'_>]) -> Vec<Option<Arc<Node>>> {
        let mut hosts = Vec::new();
        let mut last: Option<(&EndpointSet, Option<Arc<Srv>>)> = None;
        let mut addresses: Vec<IpAddr> = Vec::new();
        let mut former = self.former.iter().peekable();
        for group in groups(endpoints) {
            addresses.clear();
            addresses.extend(group.iter().map(|ready| ready.address));
            addresses.dedup();
            let mut wire = [0; 255];
            let Some(wire) = group.first().and_then(|ready| ready.label.before(&self.name, &mut wire)) else {
                hosts.push(None);
                continue;
            };
            // Both are in order of the names.
            while former.next_if(|node| node.name.as_wire() < wire).is_some() {}
            let known = former.peek().copied().filter(|node| node.name.as_wire() == wire);
            let srv = match (group, &last) {
                // Neighbours are mostly of one set.
                ([alone], Some((set, srv))) if std::ptr::eq(*set, alone.set) => srv.clone(),
                _ => {
                    let srv = share(own(group), known, last.as_ref());
                    last = if let [alone] = group { Some((alone.set, srv.clone())) } else { last };
                    srv
                }
            };
            let node = match known.filter(|node| is(node, &addresses, srv.as_ref())) {
                Some(node) => Some(node.clone()),
                None => Name::from_wire(wire).map(|name| {
                    let (v4, v6) = records(self.frame, addresses.iter().copied());
                    let data = Data::Host(Host { v4, v6, srv, rank: Some(Rank::Endpoint) });
                    Arc::new(Node { name, data })
                }),
            };
            self.nodes.extend(node.clone());
            hosts.push(node);
        }
        hosts
    }

    /// The addresses of the endpoints that have such a port, or all; shared with `all` where that is the same.
    fn union(
        &self,
        endpoints: &[Ready<'_>],
        all: Option<&Host>,
        wanted: impl Fn(&EndpointPort) -> bool,
    ) -> Host {
        let has = |ready: &&Ready<'_>| all.is_none() || ready.set.ports.iter().any(&wanted);
        let mut addresses: Vec<IpAddr> = endpoints.iter().filter(has).map(|ready| ready.address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let (mut v4, mut v6): Records = records(self.frame, addresses.iter().copied());
        if let Some(all) = all {
            v4 = if v4 == all.v4 { all.v4.clone() } else { v4 };
            v6 = if v6 == all.v6 { all.v6.clone() } else { v6 };
        }
        Host { v4, v6, srv: None, rank: None }
    }

    pub(super) fn put(&mut self, data: Data, name: Name) {
        let former = self.former.binary_search_by(|node| node.name.cmp(&name)).ok();
        let former = former.and_then(|at| self.former.get(at)).filter(|node| node.data == data);
        self.nodes.push(former.cloned().unwrap_or_else(|| Arc::new(Node { name, data })));
    }
}

/// The endpoints of each name.
fn groups<'a, 'b>(endpoints: &'a [Ready<'b>]) -> impl Iterator<Item = &'a [Ready<'b>]> {
    endpoints.chunk_by(|a, b| a.label.same(&b.label))
}

/// The SRV records of an endpoint's own name.
fn own(group: &[Ready<'_>]) -> Option<Srv> {
    let ports = group.iter().flat_map(|ready| ready.set.ports.iter().map(|port| port.port));
    port::own(0, ports.clone(), ports.count())
}

/// SRV records, shared with those there are: most endpoints have the same.
fn share(
    srv: Option<Srv>,
    known: Option<&Arc<Node>>,
    last: Option<&(&EndpointSet, Option<Arc<Srv>>)>,
) -> Option<Arc<Srv>> {
    let srv = srv?;
    let last = last.and_then(|(_, last)| last.as_ref());
    let known = known.and_then(|node| match &node.data {
        Data::Host(host) => host.srv.as_ref(),
        _ => None,
    });
    let same = last.into_iter().chain(known).find(|other| ***other == srv).cloned();
    Some(same.unwrap_or_else(|| Arc::new(srv)))
}

/// Whether this is the node of an endpoint with these addresses, sorted, and ports.
fn is(node: &Node, addresses: &[IpAddr], srv: Option<&Arc<Srv>>) -> bool {
    let Data::Host(host) = &node.data else { return false };
    host.rank == Some(Rank::Endpoint)
        && host.srv.as_ref() == srv
        && host.addresses().eq(addresses.iter().copied())
}
