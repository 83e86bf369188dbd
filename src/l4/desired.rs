//! Snapshot -> what one node has to do: which connections go where, and the rules that say so.
//!
//! The same input gives the same rules, byte for byte. With a former result only what changed since its snapshot is looked
//! at again; from scratch is a change from nothing.

mod address;
mod claims;
mod elements;
mod node;
mod select;
mod service;
mod since;
mod skeleton;
mod state;

use std::sync::Arc;

use ipnet::IpNet;

use state::{State, Update};

use super::ruleset::{Family, Frontend, Ruleset, Target};
use crate::model::health::HealthCheck;
use crate::model::map::Map;
use crate::model::{Key, Name, Report, Snapshot};

pub use since::{Change, Stale, serving_udp, stale_clients, stale_udp};

/// What the operator said about this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its name, as Nodes and endpoints name it.
    pub node: Name,
    /// How the addresses of pods are known.
    pub pods: Pods,
    /// Which addresses of the node answer NodePorts.
    pub node_ports: NodePorts,
    /// Every connection to a ClusterIP gets the node's address as its source.
    pub masquerade_all: bool,
    /// Packets that conntrack calls invalid are passed on (`net.netfilter.nf_conntrack_tcp_be_liberal`).
    pub liberal: bool,
    /// Loopback addresses are taken like others: where sockets of this process serve, perhaps just for this machine.
    pub loopback: bool,
}

/// How the addresses of pods are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pods {
    /// They are in these ranges; with none, nothing is known to be a pod.
    Ranges(Vec<IpNet>),
    /// Those of this node are in its `spec.podCIDRs`; nothing is known of others.
    NodeCidrs,
}

/// Which addresses of the node answer NodePorts. Loopback addresses never do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodePorts {
    /// The first address of each family in the Node's status.
    Primary,
    /// Those in these ranges.
    Ranges(Vec<IpNet>),
}

/// What one node has to do. The default is what there is before the first snapshot: nothing, not even tables. Cloning
/// shares nearly everything.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The rules.
    pub ruleset: Ruleset,
    /// The ports of each Service that is proxied, in both families.
    pub services: Map<Key, Arc<[Proxied]>>,
    /// The Services with a health check port, sorted by port; of two with the same port the older has it.
    pub health_checks: Arc<[HealthCheck]>,
    /// What is to be told to the owners of Services, sorted.
    pub reports: Arc<Vec<Report>>,
    /// Whether this node is fit for traffic from outside: it is not being deleted and not about to be.
    pub node_eligible: bool,
    /// What the next one is made from.
    state: State,
}

/// One port of a Service in one family: where clients find it, and where they are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// The port's name; empty when it has none.
    pub port: Name,
    /// The family of all its addresses.
    pub family: Family,
    /// Where clients find it; those that another Service has are left out.
    pub frontends: Vec<Exposed>,
    /// The endpoints for policy Cluster, sorted; narrowed by hints. Empty when everything about the port is Local.
    pub cluster: Arc<[Target]>,
    /// The endpoints for policy Local, sorted. Empty when nothing about the port is Local.
    pub local: Arc<[Target]>,
    /// All that serve, ready or on their way out, whatever policies and hints choose; sorted. A connection to one of them
    /// may go on.
    pub serving: Arc<[Target]>,
    /// Whether there is a usable endpoint anywhere. Without: refused. With, but none for a client: dropped.
    pub has_endpoints: bool,
    /// `internalTrafficPolicy: Local`.
    pub internal_local: bool,
    /// `externalTrafficPolicy: Local`, where the port is reached from outside at all.
    pub external_local: bool,
    /// For how many seconds a client keeps its endpoint.
    pub affinity: Option<u32>,
    /// Who may come to load-balancer addresses; `None`: everybody.
    pub source_ranges: Option<Vec<IpNet>>,
}

/// One place where clients find a port of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exposed {
    /// What kind of address.
    pub kind: Place,
    /// Address, protocol, port.
    pub frontend: Frontend,
}

/// What kind of address a frontend has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A ClusterIP.
    ClusterIp,
    /// An external IP.
    ExternalIp,
    /// The address of a load balancer.
    LoadBalancer,
    /// A port of the node.
    NodePort,
}

/// What this node has to do about the Services of a snapshot.
pub fn desired(snapshot: &Snapshot, options: &Options, previous: Option<&Desired>) -> Desired {
    let mut next = previous.cloned().unwrap_or_default();
    Update::new(&mut next, snapshot, options).run();
    next
}

impl Desired {
    /// How many ports of Services have endpoints, but none on this node where the policy wants one: by internal and by
    /// external policy. A port counts once in each family.
    pub fn without_local_endpoints(&self, family: Family) -> (usize, usize) {
        self.state.without_local(family)
    }

    /// The ranges whose addresses answer NodePorts where they are the node's.
    pub fn node_port_ranges(&self) -> &[IpNet] {
        self.state.node_port_ranges()
    }

    /// The ranges of pod addresses; empty when they are not known.
    pub fn pod_ranges(&self) -> &[IpNet] {
        self.state.pod_ranges()
    }
}

impl Proxied {
    /// Where connections to a frontend of that kind are sent, but for those from outside where
    /// [`Proxied::is_outside_apart`]. Empty: they are refused or dropped.
    pub fn targets(&self, place: Place) -> &Arc<[Target]> {
        if place == Place::ClusterIp && self.internal_local { &self.local } else { &self.cluster }
    }

    /// Whether connections from outside to a frontend of that kind are sent to `local` only.
    pub fn is_outside_apart(&self, place: Place) -> bool {
        place != Place::ClusterIp && self.external_local
    }
}
