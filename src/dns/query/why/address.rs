//! Why a reverse name has no answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Asked, near};
use crate::dns::wire::name::Name;
use crate::model::Key;

impl Asked<'_> {
    pub(super) fn reverse(&self) -> String {
        let Some(address) = address(self.name) else {
            return format!("{} is the reverse name of no single address", self.here());
        };
        if self.exists {
            return format!("the reverse name of {address} has PTR records, no {}", self.kind());
        }
        let snapshot = self.zone.snapshot();
        let mut unready: Vec<String> = Vec::new();
        for (key, sets) in snapshot.endpoints.iter() {
            for endpoint in sets.iter().flat_map(|set| &set.endpoints) {
                if endpoint.address.to_canonical() == address {
                    unready.push(self.endpoint_of(key, endpoint.ready));
                }
            }
        }
        if !unready.is_empty() {
            unready.sort();
            unready.dedup();
            return format!("{address} is {}", near::list(unready.iter().map(String::as_str)));
        }
        let pods = snapshot.pods.iter().filter(|(_, pod)| pod.addresses.contains(&address));
        let mut pods: Vec<String> = pods.map(|(key, _)| key.to_string()).collect();
        pods.sort();
        if !pods.is_empty() {
            let pods = near::list(pods.iter().map(String::as_str));
            return format!("{address} is the pod {pods}, which is an endpoint of no Service");
        }
        format!("{address} is no Service's address and no endpoint's")
    }

    fn endpoint_of(&self, key: &Key, ready: bool) -> String {
        if !self.zone.snapshot().services.contains_key(key) {
            return format!("an endpoint for {key}, a Service that does not exist");
        }
        if ready {
            return format!("an endpoint of the Service {key}, whose names are not answered here");
        }
        format!("an endpoint of the Service {key} that is not ready")
    }
}

/// The address of a whole reverse name.
fn address(name: &Name) -> Option<IpAddr> {
    let labels: Vec<&str> = name.labels().map(std::str::from_utf8).collect::<Result<_, _>>().ok()?;
    match labels.as_slice() {
        [numbers @ .., "in-addr", "arpa"] => {
            let numbers: Vec<u8> = numbers.iter().rev().map(|n| n.parse()).collect::<Result<_, _>>().ok()?;
            Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(numbers).ok()?)))
        }
        [nibbles @ .., "ip6", "arpa"] if nibbles.len() == 32 => {
            let mut bits = 0_u128;
            for nibble in nibbles.iter().rev() {
                bits = bits << 4 | u128::from(u8::from_str_radix(nibble, 16).ok().filter(|n| *n < 16)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(bits)))
        }
        _ => None,
    }
}
