//! The names of ports, `_http._tcp` before a Service's, and their SRV records.

use std::cmp::Ordering;
use std::sync::Arc;

use super::endpoint::{Label, Ready};
use super::node::{Entry, Node, Srv, Targets};
use crate::dns::wire::name::Name;
use crate::model::service::{EndpointPort, Protocol};

/// A named port. Its name is a label of at most 62 bytes.
#[derive(Clone, Copy)]
pub(super) struct Port {
    label: Label,
    pub(super) protocol: Protocol,
}

impl Port {
    /// `None` when the name does not fit into a name of DNS.
    pub(super) fn new(name: &str, protocol: Protocol) -> Option<Self> {
        // With its underscore it is a label, too.
        let label = Label::parse(name).filter(|label| label.as_bytes().len() < 63)?;
        Some(Self { label, protocol })
    }

    /// Whether a port of an endpoint is this one.
    pub(super) fn is(&self, port: &EndpointPort) -> bool {
        port.protocol == self.protocol && port.name.as_bytes().eq_ignore_ascii_case(self.label.as_bytes())
    }

    /// `_tcp` before a Service's name, and this port before that.
    pub(super) fn names(&self, service: &Name) -> Option<(Name, Name)> {
        let parent = service.prepend(protocol(self.protocol)).ok()?;
        let name = parent.prepend(&[b"_", self.label.as_bytes()].concat()).ok()?;
        Some((parent, name))
    }

    /// Whether both have one name.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.order(other).is_eq()
    }

    /// Sorts them and leaves each once.
    pub(super) fn sort(ports: &mut Vec<Self>) {
        ports.sort_by(Self::order);
        ports.dedup_by(|a, b| a.same(b));
    }

    fn order(&self, other: &Self) -> Ordering {
        let labels = self.label.as_bytes().cmp(other.label.as_bytes());
        labels.then(self.protocol.cmp(&other.protocol))
    }
}

/// `_tcp` and the like.
fn protocol(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Tcp => b"_tcp",
        Protocol::Udp => b"_udp",
        Protocol::Sctp => b"_sctp",
    }
}

/// SRV records that lead to their owner's name without its first bytes. `count` is what the weight is shared among.
pub(super) fn own(skip: usize, ports: impl Iterator<Item = u16>, count: usize) -> Option<Srv> {
    let mut entries: Vec<Entry> = Vec::new();
    for port in ports {
        if !entries.iter().any(|entry| entry.port == port) {
            entries.push(Entry { port, target: 0, first: entries.is_empty() });
        }
    }
    let targets = Targets::Own { skip: u8::try_from(skip).ok()? };
    (!entries.is_empty()).then(|| Srv { weight: weight(count), targets, entries: entries.into() })
}

/// SRV records that lead to endpoints: one for each port of each name.
pub(super) fn hosts<'a>(
    named: impl Iterator<Item = (&'a [Ready<'a>], &'a Arc<Node>)>,
    wanted: impl Fn(&EndpointPort) -> bool,
) -> Option<Srv> {
    let (mut count, mut ports) = (0, Vec::new());
    let (mut targets, mut entries) = (Vec::new(), Vec::new());
    for (group, host) in named {
        ports.clear();
        for port in group.iter().flat_map(|ready| &ready.set.ports).filter(|port| wanted(port)) {
            count += 1;
            if !ports.contains(&port.port) {
                ports.push(port.port);
            }
        }
        let target = u32::try_from(targets.len()).ok()?;
        entries.extend(ports.iter().enumerate().map(|(at, port)| Entry {
            port: *port,
            target,
            first: at == 0,
        }));
        if !ports.is_empty() {
            targets.push(host.clone());
        }
    }
    let targets = Targets::Hosts(targets.into());
    (!entries.is_empty()).then(|| Srv { weight: weight(count), targets, entries: entries.into() })
}

/// A hundred shared out, as CoreDNS does it.
fn weight(count: usize) -> u16 {
    u16::try_from(100 / count.max(1)).unwrap_or(100).max(1)
}
