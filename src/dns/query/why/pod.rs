//! Why a name below `pod` has no answer.

use super::{Asked, near};
use crate::dns::zone::{Pods, address};

impl Asked<'_> {
    /// `labels` are those before `pod`.
    pub(super) fn pod(&self, labels: &[&str]) -> String {
        if self.zone.options().pods == Pods::Disabled {
            return "names of pods are not answered here: start with --pods insecure or verified, or write it \
                to the Corefile"
                .to_owned();
        }
        let Some((space, labels)) = labels.split_last() else {
            return format!("{0} has no records of its own: ask for ADDRESS.NAMESPACE.{0}", self.here());
        };
        if let Some(reason) = self.namespace(space, None) {
            return reason;
        }
        let [label] = labels else {
            let what = if labels.is_empty() { "is a namespace" } else { "has too many parts" };
            return format!("{} {what}: ask for an address with dashes before the namespace", self.here());
        };
        let Some(address) = address(label.as_bytes()) else {
            return format!(
                "\"{label}\" is no address with dashes like 10-1-2-3 or fd00--1; pods have no other names here"
            );
        };
        if self.exists {
            let other = if address.is_ipv4() { "A" } else { "AAAA" };
            return format!("{address} is the only record of this name: ask for {other}");
        }
        let pods = self.zone.snapshot().pods.iter();
        let mut others: Vec<String> = pods
            .filter(|(_, pod)| pod.addresses.iter().any(|own| own.to_canonical() == address.to_canonical()))
            .map(|(key, _)| key.to_string())
            .collect();
        others.sort();
        if others.is_empty() {
            return format!("no pod has the address {address}");
        }
        let others = near::list(others.iter().map(String::as_str));
        format!("no pod in the namespace \"{space}\" has the address {address}; it belongs to {others}")
    }
}
