//! Services, their ports, and endpoints with their conditions.

use std::net::IpAddr;
use std::sync::Arc;

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
}
