//! The endpoints of a Service that take traffic, each with its name.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::sync::Arc;

use crate::dns::wire::name::Name;
use crate::model::service::{Endpoint, EndpointSet, Service};

/// One address that takes traffic.
#[derive(Clone)]
pub(crate) struct Ready<'a> {
    /// Its name below the Service's.
    pub(crate) label: Label,
    /// Where it is.
    pub(crate) address: IpAddr,
    /// What it is listed in: its ports are the endpoint's.
    pub(crate) set: &'a EndpointSet,
}

/// The endpoints that take traffic, in order of their whole names and of addresses. One that several sets list stands there for each of them.
pub(crate) fn ready<'a>(service: &Service, sets: &'a [Arc<EndpointSet>], pod_names: bool) -> Vec<Ready<'a>> {
    let mut found = Vec::with_capacity(sets.iter().map(|set| set.endpoints.len()).sum());
    for set in sets {
        let taken = set.endpoints.iter().filter(|endpoint| endpoint.ready || service.publish_not_ready);
        found.extend(taken.map(|endpoint| Ready {
            label: label_of(endpoint, pod_names),
            address: endpoint.address,
            set,
        }));
    }
    // Names are compared as they are sent, with their length first.
    let key = |ready: &Ready<'_>| (ready.label.length, ready.label.bytes, ready.address);
    found.sort_by_key(key);
    found
}

/// What an endpoint is called: its hostname, else its pod where that is wanted, else its address with dashes.
pub(crate) fn label_of(endpoint: &Endpoint, pod_names: bool) -> Label {
    let pod = endpoint.pod.as_deref().filter(|_| pod_names);
    let named = endpoint.hostname.as_deref().and_then(Label::parse).or_else(|| pod.and_then(Label::parse));
    named.unwrap_or_else(|| Label::of(endpoint.address))
}

/// An address with dashes, as it is a name.
pub(crate) fn written(address: IpAddr) -> Label {
    Label::of(address)
}

/// A label in lower case, on the stack.
#[derive(Clone, Copy)]
pub(crate) struct Label {
    bytes: [u8; 63],
    length: u8,
}

impl Label {
    /// A name as hosts have it: letters, digits and hyphens, no hyphen at the ends (RFC 1123 section 2.1).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let ends = text.starts_with('-') || text.ends_with('-');
        let fine = !text.is_empty() && !ends && text.bytes().all(fine);
        Self::new(text.as_bytes()).filter(|_| fine)
    }

    /// An address with dashes: `10-0-0-1`, `fd00--1`.
    pub(crate) fn of(address: IpAddr) -> Self {
        let mut label = Self { bytes: [0; 63], length: 0 };
        // The longest text of an address has 45 bytes.
        let _ = write!(label, "{address}");
        for byte in &mut label.bytes {
            if matches!(byte, b'.' | b':') {
                *byte = b'-';
            }
        }
        label
    }

    /// Its bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The wire form of this label below a name, written into `wire`; `None` when that gets too long.
    pub(super) fn before<'a>(&self, parent: &Name, wire: &'a mut [u8; 255]) -> Option<&'a [u8]> {
        let (label, parent) = (self.as_bytes(), parent.as_wire());
        let middle = 1 + label.len();
        let wire = wire.get_mut(..middle + parent.len())?;
        wire[0] = self.length;
        wire[1..middle].copy_from_slice(label);
        wire[middle..].copy_from_slice(parent);
        Some(wire)
    }

    /// This label below a name; `None` when that gets too long.
    pub(crate) fn below(&self, parent: &Name) -> Option<Name> {
        parent.prepend(self.as_bytes()).ok()
    }

    pub(super) fn same(&self, other: &Self) -> bool {
        (self.length, &self.bytes) == (other.length, &other.bytes)
    }

    fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 63];
        let length = u8::try_from(text.len()).ok()?;
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        bytes.make_ascii_lowercase();
        Some(Self { bytes, length })
    }
}

/// As much as fits.
impl fmt::Write for Label {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let start = usize::from(self.length);
        let room = self.bytes.get_mut(start..start + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length += u8::try_from(text.len()).map_err(|_| fmt::Error)?;
        Ok(())
    }
}
