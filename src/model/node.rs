//! The nodes of the cluster, and the ranges its Service addresses come from.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::{Name, ObjectRef, Origin};

/// A Node, as far as its traffic goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub object: ObjectRef,
    /// Where it was read, when from a file.
    pub origin: Option<Arc<Origin>>,
    /// Its addresses, the first of each family being the primary one: those of type InternalIP, else ExternalIP.
    pub addresses: Vec<IpAddr>,
    /// `spec.podCIDRs`: what its pods have their addresses from.
    pub pod_cidrs: Vec<IpNet>,
    /// The label `topology.kubernetes.io/zone`.
    pub zone: Option<Name>,
    /// It has a deletionTimestamp.
    pub deleting: bool,
    /// It is tainted `ToBeDeletedByClusterAutoscaler`.
    pub leaving: bool,
}

/// A ServiceCIDR: addresses of Services come from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRange {
    /// Its name.
    pub object: ObjectRef,
    /// `spec.cidrs`.
    pub cidrs: Vec<IpNet>,
}
