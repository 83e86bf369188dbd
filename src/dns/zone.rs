//! Snapshot -> Zone: every name of the cluster with its records, encoded as they are sent.

use std::sync::Arc;

use super::wire::name::Name;
use super::wire::question::Folded;
use crate::model::{Key, Report, Snapshot};

/// What a zone is made with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The zone, `cluster.local`.
    pub domain: Name,
    /// The reverse zones that are answered, `in-addr.arpa` and `ip6.arpa`; empty: none.
    pub reverse: Vec<Name>,
    /// The time of every record, in seconds.
    pub ttl: u32,
    /// The pod records.
    pub pods: Pods,
    /// Only these namespaces; `None`: all.
    pub namespaces: Option<Vec<crate::model::Name>>,
    /// Only namespaces with these labels.
    pub namespace_selector: Option<Arc<crate::model::selector::Selector>>,
    /// Endpoints without a hostname are named after their pod.
    pub pod_names: bool,
    /// No records of endpoints.
    pub no_endpoints: bool,
    /// A ClusterIP Service without ready endpoints does not exist.
    pub ignore_empty: bool,
    /// The Service that leads to this server: its addresses are those of `ns.dns.ZONE`.
    pub own_service: Option<Key>,
}

/// The records `a-b-c-d.NAMESPACE.pod.ZONE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pods {
    /// None.
    #[default]
    Disabled,
    /// The address in the name, whether or not there is such a pod.
    Insecure,
    /// Only if a pod of that namespace has the address.
    Verified,
}

/// All names of one zone and its reverse zones. Versions share what they have in common.
#[derive(Clone, Debug)]
pub struct Zone {
    options: Arc<Options>,
    snapshot: Snapshot,
}

impl Zone {
    /// Everything anew. `serial` is the SOA's, seconds since 1970.
    pub fn build(snapshot: &Snapshot, options: Arc<Options>, serial: u32) -> Self {
        let _ = serial;
        Self { options, snapshot: snapshot.clone() }
    }

    /// What changed since the snapshot that this zone was made of, and nothing else.
    #[must_use]
    pub fn update(&self, snapshot: &Snapshot, serial: u32) -> Self {
        Self::build(snapshot, self.options.clone(), serial)
    }

    /// What it was made with.
    pub fn options(&self) -> &Arc<Options> {
        &self.options
    }

    /// What it was made of.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What there is to tell the owners of objects: names that cannot be in DNS.
    pub fn reports(&self) -> Arc<Vec<Report>> {
        Arc::default()
    }

    /// Whether the name is in the zone or in one of its reverse zones; the reverse ones say so second.
    pub fn covers(&self, name: &Folded) -> Option<Part> {
        let _ = name;
        None
    }
}

/// Which part of a zone a name is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Below the cluster's domain.
    Forward,
    /// In the reverse zone with this index in [`Options::reverse`].
    Reverse(usize),
}
