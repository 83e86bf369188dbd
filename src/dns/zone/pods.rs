//! Pods by their addresses: `10-1-2-3.NAMESPACE.pod.ZONE`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::{Pods, Zone};
use crate::dns::wire::name::ends_with;
use crate::model::Snapshot;

impl Zone {
    /// The address of a pod's name, as far as such names are answered. Names that are not below `pod.ZONE` cost one comparison.
    #[inline]
    pub(crate) fn pod(&self, name: &[u8]) -> Option<IpAddr> {
        let pods = self.frame.pods.as_wire();
        if self.options.pods == Pods::Disabled || !ends_with(name, pods) {
            return None;
        }
        self.addressed(name)
    }

    fn addressed(&self, name: &[u8]) -> Option<IpAddr> {
        let (&length, rest) = name.split_first()?;
        let (label, space) = rest.split_at_checked(usize::from(length))?;
        let address = address(label)?;
        // The namespace and nothing between: its name below `pod` is in the table.
        let below = space.len().checked_sub(self.frame.pods.as_wire().len())?;
        let namespace = space.get(1..below)?;
        if usize::from(*space.first()?) != namespace.len() || !self.names.contains_key(space) {
            return None;
        }
        let there = || {
            let known = self.pods.get(&address.to_canonical());
            known.is_some_and(|spaces| spaces.iter().any(|space| space.as_bytes() == namespace))
        };
        (self.options.pods == Pods::Insecure || there()).then_some(address)
    }

    /// Takes over which pods have which addresses.
    pub(super) fn follow_pods(&mut self, former: &Snapshot, snapshot: &Snapshot) {
        if self.options.pods != Pods::Verified {
            return;
        }
        for key in snapshot.pods.changes(&former.pods, Arc::ptr_eq) {
            for address in former.pods.get(key).iter().flat_map(|pod| &pod.addresses) {
                self.seen(address.to_canonical(), &key.namespace, false);
            }
            for address in snapshot.pods.get(key).iter().flat_map(|pod| &pod.addresses) {
                self.seen(address.to_canonical(), &key.namespace, true);
            }
        }
    }

    fn seen(&mut self, address: IpAddr, namespace: &crate::model::Name, add: bool) {
        let mut spaces = self.pods.get(&address).map(|spaces| spaces.to_vec()).unwrap_or_default();
        let at = spaces.partition_point(|space| space < namespace);
        if add {
            spaces.insert(at, namespace.clone());
        } else if spaces.get(at) == Some(namespace) {
            spaces.remove(at);
        }
        self.pods.set(address, (!spaces.is_empty()).then(|| spaces.into()));
    }
}

/// The address that a label in lower case stands for: dots or colons are dashes in it.
pub(crate) fn address(label: &[u8]) -> Option<IpAddr> {
    let mut text = [0; 39];
    let text = text.get_mut(..label.len())?;
    text.copy_from_slice(label);
    // Three dashes that are no two in a row part the numbers of an IPv4 address.
    let parts = label.split(|byte| *byte == b'-');
    let v4 = parts.clone().count() == 4 && parts.clone().all(|part| !part.is_empty());
    for byte in text.iter_mut() {
        match byte {
            b'-' => *byte = if v4 { b'.' } else { b':' },
            b'0'..=b'9' | b'a'..=b'f' => {}
            _ => return None,
        }
    }
    let text = std::str::from_utf8(text).ok()?;
    if v4 {
        text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    } else {
        text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    }
}
