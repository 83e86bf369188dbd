//! Snapshot -> Zone: every name of the cluster with its records, encoded as they are sent.
//!
//! All names lie in one table, those that exist only as a parent of others too: one look decides that a name does not exist. A
//! name belongs to one Service or to the zone itself, but for reverse names, which several Services may share; so a changed
//! Service replaces what it owns and nothing else. See `owned` for what that is.

mod endpoint;
mod frame;
mod node;
mod owned;
mod pods;
mod port;
mod reverse;
mod transfer;
mod update;

use std::net::IpAddr;
use std::sync::Arc;

use super::wire::name::{self, Name};
use super::wire::question::Folded;
use crate::model::map::Map;
use crate::model::{Key, Report, Snapshot};

pub(crate) use endpoint::{label_of, ready, written};
pub(crate) use frame::{Frame, Soa, VERSION, VERSION_TTL, pointer};
pub(crate) use node::{Claim, Data, Entry, Host, Node, Srv, Targets, V4, V6};
pub(crate) use pods::address;
pub use transfer::Record;
pub(crate) use update::admitted;

/// What a zone is made with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The zone, `cluster.local`. Of more than 243 bytes there is no room for names before it.
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
    serial: u32,
    frame: Arc<Frame>,
    /// Every name there is, but for those of pods.
    names: Map<Name, Arc<Node>>,
    /// What each Service has in `names`, in order of the names.
    owned: Map<Key, Arc<[Arc<Node>]>>,
    /// How many Services and endpoints each namespace has, counted by key.
    spaces: Map<crate::model::Name, u32>,
    /// The namespaces of the pods with an address, sorted, one entry for each pod; only where pods are verified.
    pods: Map<IpAddr, Arc<[crate::model::Name]>>,
    /// What there is to tell about each Service and its endpoints.
    troubles: Map<Key, Arc<[Report]>>,
    reports: Arc<Vec<Report>>,
}

impl Zone {
    /// Everything anew. `serial` is the SOA's, seconds since 1970.
    pub fn build(snapshot: &Snapshot, options: Arc<Options>, serial: u32) -> Self {
        let frame = Arc::new(Frame::new(&options));
        let mut zone = Self {
            options,
            snapshot: Snapshot::default(),
            serial,
            frame,
            names: Map::default(),
            owned: Map::default(),
            spaces: Map::default(),
            pods: Map::default(),
            troubles: Map::default(),
            reports: Arc::default(),
        };
        zone.found();
        zone.update(snapshot, serial)
    }

    /// What changed since the snapshot that this zone was made of, and nothing else.
    #[must_use]
    pub fn update(&self, snapshot: &Snapshot, serial: u32) -> Self {
        let mut zone = self.clone();
        zone.serial = serial;
        zone.snapshot = snapshot.clone();
        zone.follow(&self.snapshot, snapshot);
        zone
    }

    /// What it was made with.
    pub fn options(&self) -> &Arc<Options> {
        &self.options
    }

    /// What it was made of.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The SOA's serial number.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// How many names there are, but for those of pods.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no name; there is always one.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What there is to tell the owners of objects: names that cannot be in DNS.
    pub fn reports(&self) -> Arc<Vec<Report>> {
        self.reports.clone()
    }

    /// Whether the name is in the zone or in one of its reverse zones; the reverse ones say so second.
    #[inline]
    pub fn covers(&self, name: &Folded) -> Option<Part> {
        self.part_of(name.as_wire())
    }

    /// The name of a part of the zone.
    pub fn apex(&self, part: Part) -> &Name {
        match part {
            Part::Forward => &self.options.domain,
            Part::Reverse(at) => self.options.reverse.get(at).unwrap_or(&self.options.domain),
        }
    }

    /// The namespace of the pod with this address, where all pods that have it are of one; only where pods are verified.
    pub fn namespace_of(&self, address: IpAddr) -> Option<&crate::model::Name> {
        let spaces = self.pods.get(&address.to_canonical())?;
        let (first, last) = (spaces.first()?, spaces.last()?);
        (first == last).then_some(first)
    }

    /// The part that a name in wire form and lower case is in: the one with the longest name.
    #[inline]
    pub(crate) fn part_of(&self, name: &[u8]) -> Option<Part> {
        let mut found = None;
        let mut longest = 0;
        let parts = std::iter::once((Part::Forward, &self.options.domain));
        let reverse = self.options.reverse.iter().enumerate().map(|(at, zone)| (Part::Reverse(at), zone));
        for (part, zone) in parts.chain(reverse) {
            let wire = zone.as_wire();
            if wire.len() > longest && name::ends_with(name, wire) {
                (found, longest) = (Some(part), wire.len());
            }
        }
        found
    }

    /// What there is at a name in wire form and lower case.
    #[inline]
    pub(crate) fn find(&self, name: &[u8]) -> Option<Found<'_>> {
        match self.names.get(name) {
            Some(node) => Some(Found::Node(node)),
            None => self.pod(name).map(Found::Pod),
        }
    }

    pub(crate) fn frame(&self) -> &Frame {
        &self.frame
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

/// What there is at a name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    /// What the table has.
    Node(&'a Node),
    /// A pod by its address.
    Pod(IpAddr),
}
