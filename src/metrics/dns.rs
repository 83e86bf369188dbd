//! What the DNS server counts, under the names of CoreDNS (`coredns_...`) and a few of its own (`slipway_dns_...`).

use std::sync::Arc;

/// All of them. Cloning shares them.
#[derive(Clone, Default)]
pub struct Metrics {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {}

impl Metrics {
    /// The text form, for Prometheus.
    pub fn text(&self) -> String {
        let _ = &self.inner;
        String::new()
    }
}
