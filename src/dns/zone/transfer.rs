//! Every record of a zone, one by one: for transfers and for people.

use std::sync::Arc;

use super::frame::{Soa, VERSION, VERSION_TTL};
use super::node::{Data, Host, Node, Srv, Targets};
use super::{Part, Zone};
use crate::dns::wire::kind;
use crate::dns::wire::name::Name;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// Its owner.
    pub name: Name,
    /// Its type.
    pub kind: u16,
    /// How long it may be kept, in seconds.
    pub ttl: u32,
    /// Its data, without pointers.
    pub data: Vec<u8>,
}

impl Zone {
    /// The SOA of a part.
    pub fn soa(&self, part: Part) -> Record {
        let name = self.apex(part).clone();
        let data = Soa::data(&self.frame, &name, self.serial);
        Record { name, kind: kind::SOA, ttl: self.options.ttl, data }
    }

    /// Every record below the cluster's domain but for the SOA and pods', parents before what is below them.
    pub fn records(&self) -> impl Iterator<Item = Record> + use<'_> {
        self.records_of(Part::Forward)
    }

    /// Every record of a part but for the SOA and pods', parents before what is below them.
    pub fn records_of(&self, part: Part) -> impl Iterator<Item = Record> + use<'_> {
        let nodes = self.names.values().filter(|node| self.part_of(node.name.as_wire()) == Some(part));
        let mut nodes: Vec<&Arc<Node>> = nodes.collect();
        nodes.sort_by_cached_key(|node| {
            let mut labels: Vec<Vec<u8>> = node.name.labels().map(<[u8]>::to_vec).collect();
            labels.reverse();
            labels
        });
        let server = self.frame.server.as_wire().to_vec();
        let apex =
            Record { name: self.options.domain.clone(), kind: kind::NS, ttl: self.options.ttl, data: server };
        let apex = (part == Part::Forward).then_some(apex);
        apex.into_iter().chain(nodes.into_iter().flat_map(|node| self.records_at(node)))
    }

    fn records_at(&self, node: &Node) -> Vec<Record> {
        let mut records = Vec::new();
        let ttl = self.options.ttl;
        let mut add = |kind, ttl, data| records.push(Record { name: node.name.clone(), kind, ttl, data });
        match &node.data {
            Data::Parent { .. } => {}
            Data::Alias(target) => add(kind::CNAME, ttl, target.as_wire().to_vec()),
            Data::Version => add(kind::TXT, VERSION_TTL, VERSION.to_vec()),
            Data::Pointers(claims) => {
                for claim in claims.iter().filter(|claim| claim.rank == claims[0].rank) {
                    add(kind::PTR, ttl, claim.name.as_wire().to_vec());
                }
            }
            Data::Host(host) => host_records(node, host, |kind, data| add(kind, ttl, data)),
        }
        records
    }
}

fn host_records(node: &Node, host: &Host, mut add: impl FnMut(u16, Vec<u8>)) {
    for address in host.addresses() {
        match address {
            std::net::IpAddr::V4(address) => add(kind::A, address.octets().to_vec()),
            std::net::IpAddr::V6(address) => add(kind::AAAA, address.octets().to_vec()),
        }
    }
    let Some(srv) = &host.srv else { return };
    for entry in &srv.entries {
        let Some(target) = srv.target(node.name.as_wire(), entry.target) else { continue };
        let mut data = vec![0, 0];
        data.extend(srv.weight.to_be_bytes());
        data.extend(entry.port.to_be_bytes());
        data.extend(target);
        add(kind::SRV, data);
    }
}

impl Srv {
    /// The name of a target, in wire form. `owner` is whose record it is.
    #[inline]
    pub(crate) fn target<'a>(&'a self, owner: &'a [u8], target: u32) -> Option<&'a [u8]> {
        match &self.targets {
            Targets::Own { skip } => owner.get(usize::from(*skip)..),
            Targets::Hosts(hosts) => Some(hosts.get(usize::try_from(target).ok()?)?.name.as_wire()),
        }
    }
}
