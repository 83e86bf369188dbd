//! What one Service has in the zone: its name, its ports, its endpoints; or an alias.

mod trouble;

use std::net::IpAddr;
use std::sync::Arc;

use super::Options;
use super::endpoint::{Label, Ready, ready};
use super::frame::Frame;
use super::node::{Data, Host, Node, Rank, Records, Srv, records};
use super::port::{self, Port};
use crate::dns::wire::name::Name;
use crate::model::map::Map;
use crate::model::service::{EndpointPort, EndpointSet, Service, ServiceKind};
use crate::model::{Key, Report};

/// The names of one Service, in order, and what there is to tell about them.
#[derive(Default)]
pub(super) struct Owned {
    pub(super) nodes: Vec<Arc<Node>>,
    pub(super) reports: Vec<Report>,
}

/// Makes the names of a Service. What is equal in `known` is shared with it.
pub(super) fn owned(
    frame: &Frame,
    options: &Options,
    known: &Map<Name, Arc<Node>>,
    service: &Service,
    sets: &[Arc<EndpointSet>],
) -> Owned {
    let mut reports = trouble::of(service, sets, options);
    let Some(name) = name(frame, &service.object.key) else { return Owned { nodes: Vec::new(), reports } };
    let mut maker = Maker { frame, known, name, nodes: Vec::new() };
    let endpoints = ready(service, sets, options.pod_names);
    let named: &[Ready<'_>] = if options.no_endpoints { &[] } else { &endpoints };
    match &service.kind {
        ServiceKind::ExternalName(target) => match alias(target) {
            Ok(target) => maker.put(Data::Alias(target), maker.name.clone()),
            Err(()) => return Owned { nodes: Vec::new(), reports },
        },
        ServiceKind::ClusterIp if options.ignore_empty && endpoints.is_empty() => reports.clear(),
        ServiceKind::ClusterIp => maker.cluster(service, named),
        ServiceKind::Headless if named.is_empty() => {}
        ServiceKind::Headless => maker.headless(named),
    }
    maker.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    maker.nodes.dedup_by(|a, b| a.name == b.name);
    Owned { nodes: maker.nodes, reports }
}

/// A Service's name, where its parts can stand in one.
pub(super) fn name(frame: &Frame, key: &Key) -> Option<Name> {
    let space = plain(&key.namespace)?.below(&frame.services)?;
    plain(&key.name)?.below(&space)
}

/// An object's name that is a label. Names of objects are in lower case, so that no two of them make one name here.
pub(super) fn plain(text: &str) -> Option<Label> {
    Label::parse(text).filter(|label| label.as_bytes() == text.as_bytes())
}

/// Where an ExternalName leads, where it is a name and no address.
fn alias(text: &str) -> Result<Name, ()> {
    let fine =
        |label: &[u8]| label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let name = Name::parse(text).ok().filter(|name| !name.is_root() && name.labels().all(fine));
    let address = text.parse::<IpAddr>().is_ok();
    name.filter(|_| !address).ok_or(())
}

struct Maker<'a> {
    frame: &'a Frame,
    known: &'a Map<Name, Arc<Node>>,
    /// The Service's.
    name: Name,
    nodes: Vec<Arc<Node>>,
}

impl Maker<'_> {
    /// A Service with addresses of its own.
    fn cluster(&mut self, service: &Service, endpoints: &[Ready<'_>]) {
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
        Port::sort(&mut ports);
        for port in ports {
            let Some((parent, name)) = port.names(&self.name) else { continue };
            let skip = name.as_wire().len() - self.name.as_wire().len();
            let same = |other: &&crate::model::service::ServicePort| {
                Port::new(&other.name, other.protocol).is_some_and(|other| other.same(&port))
            };
            let numbers = service.ports.iter().filter(same).map(|port| port.port);
            let srv = port::own(skip, numbers.clone(), numbers.count() * addresses.len());
            self.put(Data::Host(host(srv, None)), name);
            self.put(Data::Parent { children: 0 }, parent);
        }
        let numbers = service.ports.iter().map(|port| port.port).filter(|_| !addresses.is_empty());
        let srv = port::own(0, numbers, service.ports.len() * addresses.len());
        self.put(Data::Host(host(srv, Some(Rank::Service))), self.name.clone());
        self.endpoints(endpoints);
    }

    /// A Service whose name has the addresses of its endpoints, of which there are some.
    fn headless(&mut self, endpoints: &[Ready<'_>]) {
        let hosts = self.endpoints(endpoints);
        let named =
            || groups(endpoints).zip(&hosts).filter_map(|(group, host)| Some((group, host.as_ref()?)));
        let all = self.union(endpoints, None, |_| true);
        let mut ports = Vec::new();
        let mut last: Option<&EndpointSet> = None;
        for set in endpoints.iter().map(|ready| ready.set) {
            // Neighbours are mostly of one set.
            if !last.is_some_and(|last| std::ptr::eq(last, set)) {
                ports.extend(set.ports.iter().filter_map(|port| Port::new(&port.name, port.protocol)));
                last = Some(set);
            }
        }
        Port::sort(&mut ports);
        for port in ports {
            let Some((parent, name)) = port.names(&self.name) else { continue };
            let (v4, v6) = self.union(endpoints, Some(&all), |candidate| port.is(candidate));
            let srv = port::hosts(named(), |candidate| port.is(candidate)).map(Arc::new);
            self.put(Data::Host(Host { v4, v6, srv, rank: None }), name);
            self.put(Data::Parent { children: 0 }, parent);
        }
        let srv = port::hosts(named(), |_| true).map(Arc::new);
        let (v4, v6) = all;
        self.put(Data::Host(Host { v4, v6, srv, rank: None }), self.name.clone());
    }

    /// The names of endpoints; one for each group of equal names, where it is not too long.
    fn endpoints(&mut self, endpoints: &[Ready<'_>]) -> Vec<Option<Arc<Node>>> {
        let mut hosts = Vec::new();
        let mut last: Option<Arc<Srv>> = None;
        for group in groups(endpoints) {
            let ports = group.iter().flat_map(|ready| ready.set.ports.iter().map(|port| port.port));
            let srv = port::own(0, ports.clone(), ports.count()).map(|srv| match &last {
                Some(last) if **last == srv => last.clone(),
                _ => Arc::new(srv),
            });
            last = srv.clone().or(last);
            let mut addresses: Vec<IpAddr> = group.iter().map(|ready| ready.address).collect();
            addresses.dedup();
            let (v4, v6) = records(self.frame, addresses.iter().copied());
            let host = Host { v4, v6, srv, rank: Some(Rank::Endpoint) };
            let name = group.first().and_then(|ready| ready.label.below(&self.name));
            hosts.push(name.map(|name| self.shared(Data::Host(host), name)));
        }
        hosts
    }

    /// The addresses of the endpoints that have such a port, or all; shared with `all` where that is the same.
    fn union(
        &self,
        endpoints: &[Ready<'_>],
        all: Option<&Records>,
        wanted: impl Fn(&EndpointPort) -> bool,
    ) -> Records {
        let has = |ready: &&Ready<'_>| all.is_none() || ready.set.ports.iter().any(&wanted);
        let mut addresses: Vec<IpAddr> = endpoints.iter().filter(has).map(|ready| ready.address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let (v4, v6) = records(self.frame, addresses.iter().copied());
        let Some(all) = all else { return (v4, v6) };
        let share =
            |own: Option<Arc<[u8]>>, all: &Option<Arc<[u8]>>| if own == *all { all.clone() } else { own };
        (share(v4, &all.0), share(v6, &all.1))
    }

    fn put(&mut self, data: Data, name: Name) {
        self.shared(data, name);
    }

    fn shared(&mut self, data: Data, name: Name) -> Arc<Node> {
        let former = self.known.get(&name).filter(|node| node.data == data).cloned();
        let node = former.unwrap_or_else(|| Arc::new(Node { name, data }));
        self.nodes.push(node.clone());
        node
    }
}

/// The endpoints of each name.
fn groups<'a, 'b>(endpoints: &'a [Ready<'b>]) -> impl Iterator<Item = &'a [Ready<'b>]> {
    endpoints.chunk_by(|a, b| a.label.as_bytes() == b.label.as_bytes())
}
