//! Small clusters, and packets in them.

use std::net::IpAddr;
use std::sync::Arc;

use slipway::l4::desired::{Desired, NodePorts, Options, Pods, desired};
use slipway::l4::ruleset::Protocol;
use slipway::model::node::{Node, ServiceRange};
use slipway::model::route::PortRef;
use slipway::model::service::{
    self, Endpoint, EndpointPort, EndpointSet, Exposure, Service, ServiceKind, ServicePort, Topology,
};
use slipway::model::{Key, Kind, ObjectRef, Snapshot};

use crate::tracer::{Fate, From, Packet, State, Tracer};

/// The addresses of one family. The node is `here`.
pub(crate) struct Net {
    pub(crate) node: &'static str,
    /// A second address of the node.
    pub(crate) second: &'static str,
    pub(crate) outside: &'static str,
    pub(crate) pod_range: &'static str,
    pub(crate) service_range: &'static str,
    pub(crate) cluster_ip: &'static str,
    pub(crate) balancer: &'static str,
    pub(crate) external: &'static str,
    /// A pod on this node.
    pub(crate) pod: &'static str,
    /// An endpoint on this node, and elsewhere.
    pub(crate) here: &'static str,
    pub(crate) there: &'static str,
    pub(crate) unallocated: &'static str,
}

pub(crate) const V4: Net = Net {
    node: "192.168.0.1",
    second: "192.168.7.1",
    outside: "203.0.113.9",
    pod_range: "10.244.0.0/16",
    service_range: "10.96.0.0/16",
    cluster_ip: "10.96.0.10",
    balancer: "198.51.100.1",
    external: "198.51.100.2",
    pod: "10.244.0.99",
    here: "10.244.0.2",
    there: "10.244.1.2",
    unallocated: "10.96.77.77",
};

pub(crate) const V6: Net = Net {
    node: "fd00:192::1",
    second: "fd00:192:7::1",
    outside: "2001:db8::9",
    pod_range: "fd00:244::/48",
    service_range: "fd00:96::/112",
    cluster_ip: "fd00:96::10",
    balancer: "2001:db8:1::1",
    external: "2001:db8:1::2",
    pod: "fd00:244::99",
    here: "fd00:244::2",
    there: "fd00:244:0:1::2",
    unallocated: "fd00:96::7777",
};

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What one node knows, and what it made of it.
pub(crate) struct Cluster {
    pub(crate) snapshot: Snapshot,
    pub(crate) options: Options,
}

impl Cluster {
    /// A node with addresses, pods and service ranges of both families.
    pub(crate) fn new() -> Self {
        let mut cluster = Self {
            snapshot: Snapshot::default(),
            options: Options {
                node: "here".into(),
                pods: Pods::Ranges([&V4, &V6].map(|net| net.pod_range.parse().unwrap()).into()),
                node_ports: NodePorts::Primary,
                masquerade_all: false,
                liberal: false,
                loopback: false,
            },
        };
        cluster.node(|_| {});
        let range = ServiceRange {
            object: ObjectRef::new(Kind::ServiceCIDR, "", "kubernetes"),
            cidrs: [&V4, &V6].map(|net| net.service_range.parse().unwrap()).into(),
        };
        cluster.snapshot.service_ranges.insert("kubernetes".into(), Arc::new(range));
        cluster
    }

    /// Sets the Node anew.
    pub(crate) fn node(&mut self, change: impl FnOnce(&mut Node)) {
        let mut node = Node {
            object: ObjectRef::new(Kind::Node, "", "here"),
            origin: None,
            addresses: [V4.node, V4.second, V6.node, V6.second].map(ip).into(),
            pod_cidrs: ["10.244.0.0/24", "fd00:244::/64"].map(|range| range.parse().unwrap()).into(),
            zone: Some("a".into()),
            deleting: false,
            leaving: false,
        };
        change(&mut node);
        self.snapshot.nodes.insert("here".into(), Arc::new(node));
    }

    pub(crate) fn add(&mut self, service: Service) -> &mut Self {
        self.snapshot.services.insert(service.object.key.clone(), Arc::new(service));
        self
    }

    pub(crate) fn endpoints(&mut self, sets: impl IntoIterator<Item = EndpointSet>) -> &mut Self {
        let sets: Vec<Arc<EndpointSet>> = sets.into_iter().map(Arc::new).collect();
        let key = sets[0].service.clone();
        self.snapshot.endpoints.insert(key, sets.into());
        self
    }

    pub(crate) fn desired(&self) -> Desired {
        desired(&self.snapshot, &self.options, None)
    }

    pub(crate) fn tracer(&self) -> Tracer {
        let own = [V4.node, V4.second, V6.node, V6.second].map(ip);
        Tracer::new(&self.desired().ruleset, &own)
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.desired().reports.iter().map(|report| format!("{:?} {report}", report.field)).collect()
    }
}

/// A Service of that name with port 80 (node port 30080 unless changed), of TCP.
pub(crate) fn service(name: &str, cluster_ips: &[&str]) -> Service {
    Service {
        object: ObjectRef::new(Kind::Service, "default", name),
        origin: None,
        kind: ServiceKind::ClusterIp,
        cluster_ips: cluster_ips.iter().map(|address| ip(address)).collect(),
        ports: vec![port("http", 80, None)],
        publish_not_ready: false,
        created: Some(0),
        exposure: Exposure::default(),
    }
}

pub(crate) fn port(name: &str, number: u16, node_port: Option<u16>) -> ServicePort {
    ServicePort {
        name: name.into(),
        protocol: service::Protocol::Tcp,
        port: number,
        target: PortRef::Name("web".into()),
        node_port,
    }
}

/// A slice of the Service: its port `http` leads to 8080 of the endpoints.
pub(crate) fn slice(service: &str, number: usize, endpoints: Vec<Endpoint>) -> EndpointSet {
    EndpointSet {
        object: ObjectRef::new(Kind::EndpointSlice, "default", format!("{service}-{number}")),
        service: Key::new("default", service),
        ports: vec![EndpointPort { name: "http".into(), protocol: service::Protocol::Tcp, port: 8080 }],
        endpoints,
        triggered: None,
    }
}

/// A ready endpoint on that node.
pub(crate) fn endpoint(address: &str, node: &str) -> Endpoint {
    let topology = Topology { node: Some(node.into()), ..Topology::default() };
    Endpoint {
        address: ip(address),
        ready: true,
        serving: true,
        terminating: false,
        topology: Some(Arc::new(topology)),
        hostname: None,
        pod: None,
    }
}

pub(crate) fn unready(endpoint: Endpoint) -> Endpoint {
    Endpoint { ready: false, serving: false, ..endpoint }
}

pub(crate) fn terminating(endpoint: Endpoint) -> Endpoint {
    Endpoint { ready: false, terminating: true, ..endpoint }
}

/// With hints for zones and nodes.
pub(crate) fn hinted(endpoint: Endpoint, zones: &[&str], nodes: &[&str]) -> Endpoint {
    let names = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect();
    let node = endpoint.topology.as_ref().and_then(|topology| topology.node.clone());
    let topology = Topology { node, for_zones: names(zones), for_nodes: names(nodes) };
    Endpoint { topology: Some(Arc::new(topology)), ..endpoint }
}

/// The first packet of a TCP connection to port 80 of an address.
pub(crate) fn packet(source: &str, destination: &str) -> Packet {
    let node = [V4.node, V4.second, V6.node, V6.second].contains(&source);
    Packet {
        from: if node { From::Node } else { From::Elsewhere },
        source: ip(source),
        destination: ip(destination),
        protocol: Protocol::Tcp,
        port: 80,
        state: State::New,
    }
}

pub(crate) fn to_port(packet: Packet, port: u16) -> Packet {
    Packet { port, ..packet }
}

/// What may become of the packet, as words: the addresses it may be sent to, with a star where its source is replaced.
pub(crate) fn trace(tracer: &Tracer, packet: Packet) -> String {
    let words: Vec<String> = tracer.trace(packet).into_iter().map(word).collect();
    words.join(" ")
}

pub(crate) fn word(fate: Fate) -> String {
    match fate {
        Fate::Sent { to, masqueraded } => format!("{}{}", to.address, if masqueraded { "*" } else { "" }),
        Fate::Dropped => "dropped".into(),
        Fate::Rejected => "rejected".into(),
        Fate::Untouched => "untouched".into(),
    }
}
