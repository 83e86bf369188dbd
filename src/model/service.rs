//! Services, their ports, and endpoints with their conditions.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::route::PortRef;
use super::{Key, Name, ObjectRef, Origin};

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub object: ObjectRef,
    /// Where it was read, when from a file.
    pub origin: Option<Arc<Origin>>,
    /// How it is reached.
    pub kind: ServiceKind,
    /// `spec.clusterIPs`; empty for headless and ExternalName.
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.ports`, in order.
    pub ports: Vec<ServicePort>,
    /// `spec.publishNotReadyAddresses`: unready endpoints are used like ready ones.
    pub publish_not_ready: bool,
    /// When it was created, in seconds since 1970: the older of two that want the same address and port gets it.
    pub created: Option<i64>,
    /// How its addresses behave on a node.
    pub exposure: Exposure,
}

/// What a node's service proxy has to know of a Service, beside its addresses in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// `spec.externalIPs`.
    pub external_ips: Vec<IpAddr>,
    /// `status.loadBalancer.ingress[].ip` where `ipMode` is VIP or absent: packets arrive with this address.
    pub load_balancer_ips: Vec<IpAddr>,
    /// `spec.loadBalancerSourceRanges`; `None`: everybody. What could not be read is left out, so an empty list is nobody.
    pub source_ranges: Option<Vec<IpNet>>,
    /// `spec.sessionAffinity: ClientIP`: for how many seconds after its last connection a client keeps its endpoint.
    pub affinity: Option<u32>,
    /// `spec.internalTrafficPolicy: Local`: cluster addresses lead to endpoints on this node only.
    pub internal_local: bool,
    /// `spec.externalTrafficPolicy: Local`: what comes from outside goes to endpoints on this node only.
    pub external_local: bool,
    /// `spec.healthCheckNodePort`, of a load balancer with `external_local`.
    pub health_check_node_port: Option<u16>,
    /// The label `service.kubernetes.io/service-proxy-name`: another proxy serves it.
    pub other_proxy: bool,
}

/// How a Service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    /// Through a cluster address (ClusterIP, NodePort and LoadBalancer alike).
    ClusterIp,
    /// `clusterIP: None`.
    Headless,
    /// `type: ExternalName`: a DNS name outside, without a trailing dot.
    ExternalName(Name),
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; empty when the Service has a single unnamed port.
    pub name: Name,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The Service's port.
    pub port: u16,
    /// `targetPort`; the port itself when not given.
    pub target: PortRef,
    /// `nodePort`, where it has one.
    pub node_port: Option<u16>,
}

/// Transport protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, the default.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// Some endpoints of one Service that share their ports: an `EndpointSlice`, or a subset of Endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSet {
    /// The object it comes from.
    pub object: ObjectRef,
    /// The Service it belongs to.
    pub service: Key,
    /// The ports, valid for every endpoint of the set.
    pub ports: Vec<EndpointPort>,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
    /// When the change came about that this state is the answer to, in milliseconds since 1970: the annotation
    /// `endpoints.kubernetes.io/last-change-trigger-time`.
    pub triggered: Option<i64>,
}

/// One port of an [`EndpointSet`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPort {
    /// The name of the Service's port it serves; empty for the unnamed one.
    pub name: Name,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The pod's port.
    pub port: u16,
}

/// One address that serves a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Pod address.
    pub address: IpAddr,
    /// Takes new traffic.
    pub ready: bool,
    /// Still able to serve, though perhaps on its way out.
    pub serving: bool,
    /// On its way out.
    pub terminating: bool,
    /// Where it runs and who should use it; `None` when nothing is said.
    pub topology: Option<Arc<Topology>>,
    /// Its name in DNS: `hostname`; read for DNS only.
    pub hostname: Option<Name>,
    /// The pod it is, `targetRef.name` of kind Pod; read for DNS only.
    pub pod: Option<Name>,
}

/// Where an endpoint runs, and who should use it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// `nodeName`.
    pub node: Option<Name>,
    /// `hints.forZones`.
    pub for_zones: Vec<Name>,
    /// `hints.forNodes`.
    pub for_nodes: Vec<Name>,
}

impl Endpoint {
    /// Whether it runs on that node.
    pub fn is_on(&self, node: &str) -> bool {
        self.topology.as_ref().and_then(|topology| topology.node.as_deref()) == Some(node)
    }
}
