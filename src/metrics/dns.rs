//! What the DNS server counts, under the names of CoreDNS (`coredns_...`) and a few of its own (`slipway_dns_...`).

pub mod forward;

use std::sync::Arc;

use prometheus::Registry;

use forward::Forwarding;

/// All of them. Cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    forwarding: Forwarding,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let forwarding = Forwarding::new(&registry);
        Self { inner: Arc::new(Inner { registry, forwarding }) }
    }
}

impl Metrics {
    /// What forwarding and its caches count.
    pub fn forwarding(&self) -> &Forwarding {
        &self.inner.forwarding
    }

    /// The text form, for Prometheus.
    pub fn text(&self) -> String {
        super::text(&self.inner.registry)
    }
}
