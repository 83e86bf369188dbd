//! What the service proxy counts, under the names of kube-proxy and a few of its own.

use std::time::Duration;

/// All of them. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Metrics;

impl Metrics {
    /// The rules of a family (`IPv4`, `IPv6`) were brought up to date in that time, at that second since 1970; `full` when
    /// everything was looked at and not only what changed.
    pub fn synced(&self, _family: &'static str, _full: bool, _took: Duration, _now: f64) {}

    /// The rules of a family could not be brought up to date.
    pub fn failed(&self, _family: &'static str) {}

    /// A change of endpoints was in force so long after it came about.
    pub fn programmed(&self, _took: Duration) {}

    /// A change was noticed at that second since 1970.
    pub fn queued(&self, _now: f64) {}

    /// So many Services and endpoint sets changed and wait to be applied; 0 and 0 once they are.
    pub fn pending(&self, _services: usize, _endpoints: usize) {}

    /// So many Services and endpoint sets changed and are applied.
    pub fn changed(&self, _services: usize, _endpoints: usize) {}

    /// So many ports of Services have endpoints but none on this node, by policy.
    pub fn without_local_endpoints(&self, _internal: usize, _external: usize) {}

    /// Connections of endpoints that left were looked for and so many removed.
    pub fn conntrack(&self, _took: Duration, _deleted: usize) {}

    /// What is in force in a family.
    pub fn in_force(&self, _family: &'static str, _elements: usize, _chains: usize) {}

    /// So many commands were written in one transaction.
    pub fn wrote(&self, _family: &'static str, _commands: usize) {}

    /// Somebody changed our tables and they were repaired.
    pub fn repaired(&self) {}
}
