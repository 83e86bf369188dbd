//! What there is at one name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::frame::Frame;
use crate::dns::wire::kind;
use crate::dns::wire::name::Name;

/// The length of an A record whose owner is a pointer.
pub(crate) const V4: usize = 16;

/// The length of an AAAA record whose owner is a pointer.
pub(crate) const V6: usize = 28;

/// A name and what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: Name,
    pub(crate) data: Data,
}

/// What a name has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// Names below it and nothing else. They are counted where they come and go one by one: in reverse zones.
    Parent { children: u32 },
    /// Addresses and SRV: a Service, one of its ports, an endpoint, this server.
    Host(Host),
    /// An alias, CNAME.
    Alias(Name),
    /// Who has this address, sorted.
    Pointers(Box<[Claim]>),
    /// `dns-version`.
    Version,
}

/// Addresses and SRV.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Host {
    /// A records, each of [`V4`] bytes.
    pub(crate) v4: Option<Arc<[u8]>>,
    /// AAAA records, each of [`V6`] bytes.
    pub(crate) v6: Option<Arc<[u8]>>,
    /// SRV records.
    pub(crate) srv: Option<Arc<Srv>>,
    /// As what its addresses lead back to it.
    pub(crate) rank: Option<Rank>,
}

/// Which of the names of an address are given: only those of the first rank there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rank {
    /// A Service's own address.
    Service,
    /// An endpoint's.
    Endpoint,
}

/// One name of an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    pub(crate) rank: Rank,
    pub(crate) name: Name,
}

/// SRV records, put together when they are sent: targets are shared with their own names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Srv {
    pub(crate) weight: u16,
    pub(crate) targets: Targets,
    pub(crate) entries: Box<[Entry]>,
}

/// One SRV record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) port: u16,
    /// The index of its target.
    pub(crate) target: u32,
    /// It is the first with this target: the one that brings the addresses along.
    pub(crate) first: bool,
}

/// Where SRV records lead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Targets {
    /// To the owner's own name without its first bytes; the addresses are the owner's.
    Own { skip: u8 },
    /// To these.
    Hosts(Box<[Arc<Node>]>),
}

impl Node {
    pub(super) fn parent(name: Name) -> Self {
        Self { name, data: Data::Parent { children: 0 } }
    }

    /// Its addresses that lead back to it, and as what.
    pub(super) fn claims(&self) -> Option<(Rank, impl Iterator<Item = IpAddr>)> {
        let Data::Host(host) = &self.data else { return None };
        Some((host.rank?, host.addresses()))
    }
}

impl Host {
    /// All its addresses, IPv4 first.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<'_> {
        let v4 = chunks::<V4, 4>(self.v4.as_deref()).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
        let v6 = chunks::<V6, 16>(self.v6.as_deref()).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)));
        v4.chain(v6)
    }
}

/// The last bytes of each record.
fn chunks<const LENGTH: usize, const LAST: usize>(
    records: Option<&[u8]>,
) -> impl Iterator<Item = [u8; LAST]> + use<'_, LENGTH, LAST> {
    let records = records.unwrap_or_default();
    records.chunks_exact(LENGTH).filter_map(|record| record.last_chunk::<LAST>().copied())
}

/// A and AAAA records.
pub(super) type Records = (Option<Arc<[u8]>>, Option<Arc<[u8]>>);

/// The A and the AAAA records of addresses, in their order.
pub(super) fn records(frame: &Frame, addresses: impl Iterator<Item = IpAddr> + Clone) -> Records {
    let v4 = addresses.clone().filter_map(|address| match address {
        IpAddr::V4(address) => Some(address.octets()),
        IpAddr::V6(_) => None,
    });
    let v6 = addresses.filter_map(|address| match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(address.octets()),
    });
    (encoded::<V4, 4>(frame.head(kind::A, 4), v4), encoded::<V6, 16>(frame.head(kind::AAAA, 16), v6))
}

fn encoded<const LENGTH: usize, const LAST: usize>(
    head: [u8; 12],
    addresses: impl Iterator<Item = [u8; LAST]>,
) -> Option<Arc<[u8]>> {
    let mut records = Vec::new();
    for address in addresses {
        records.extend_from_slice(&head);
        records.extend_from_slice(&address);
    }
    (!records.is_empty()).then(|| records.into())
}
