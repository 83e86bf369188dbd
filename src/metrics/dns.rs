//! What the DNS server counts, under the names of CoreDNS (`coredns_...`) and a few of its own (`slipway_dns_...`).
//!
//! Threads that answer count on their own ([`Tally`]); what they counted is added up when somebody asks.

mod figures;
pub mod forward;
mod queries;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;

use super::control::figure;
use super::{Severities, SourceMetrics, process, text};
use figures::Figures;
use forward::Forwarding;
use queries::Queries;

pub use queries::{Part, Sample, Tally};

/// All of them. Cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    source: SourceMetrics,
    queries: Queries,
    figures: Figures,
    forwarding: Forwarding,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        process::register(&registry);
        let queries = Queries::default();
        super::register(&registry, queries.clone());
        let source = SourceMetrics::new(&registry);
        let figures = Figures::new(&registry);
        let forwarding = Forwarding::new(&registry);
        Self { inner: Arc::new(Inner { registry, source, queries, figures, forwarding }) }
    }
}

impl Metrics {
    /// What forwarding and its caches count.
    pub fn forwarding(&self) -> &Forwarding {
        &self.inner.forwarding
    }

    /// A number for one more thread that counts.
    pub fn thread(&self) -> usize {
        self.inner.queries.thread()
    }

    /// Where one thread counts the queries of a server (`dns://:53`) and zone (`cluster.local.`).
    pub fn tally(&self, thread: usize, server: &str, zone: &str) -> Arc<Tally> {
        self.inner.queries.tally(thread, server, zone)
    }

    /// What is on: server, zone and plugin of each. Replaces what was said before.
    pub fn plugins<'a>(&self, on: impl Iterator<Item = (&'a str, &'a str, &'a str)>) {
        let gauge = &self.inner.figures.plugins;
        gauge.reset();
        for (server, zone, name) in on {
            gauge.with_label_values(&[server, zone, "", name]).set(1);
        }
    }

    /// A query was not answered, or only with the advice to use TCP, because its client asks too much.
    pub fn limited(&self, slipped: bool) {
        let action = if slipped { "truncated" } else { "dropped" };
        self.inner.figures.limited.with_label_values(&[action]).inc();
    }

    /// A query found more under way than there may be and got SERVFAIL.
    pub fn overloaded(&self) {
        self.inner.figures.overloaded.inc();
    }

    /// TCP connections open now.
    pub fn connections(&self, open: usize) {
        self.inner.figures.connections.set(figure(open));
    }

    /// A line of the query log was lost because its reader was too slow.
    pub fn log_line_dropped(&self) {
        self.inner.figures.log_lines_dropped.inc();
    }

    /// A search path was answered in one round trip by that server.
    pub fn autopath(&self, server: &str) {
        self.inner.figures.autopath.with_label_values(&[server]).inc();
    }

    /// A template of that server and zone answered a question of that class and type.
    pub fn template(&self, server: &str, zone: &str, class: &str, kind: &str) {
        self.inner.figures.templates.with_label_values(&[server, zone, "", class, kind]).inc();
    }

    /// A template's records could not be made.
    pub fn template_failed(&self) {
        self.inner.figures.template_failures.inc();
    }

    /// Entries of `hosts` were read at that second since 1970.
    pub fn hosts(&self, entries: usize, now: f64) {
        self.inner.figures.hosts_entries.set(figure(entries));
        self.inner.figures.hosts_reloaded.set(now);
    }

    /// A changed Corefile could not be put in force; the former one serves on.
    pub fn reload_failed(&self) {
        self.inner.figures.reload_failed.inc();
    }

    /// A change of endpoints was in the answers so long after it came about, by kind of Service: `cluster_ip`,
    /// `headless_with_selector`, `headless_without_selector`.
    pub fn programmed(&self, service_kind: &str, took: Duration) {
        self.inner.figures.programming.with_label_values(&[service_kind]).observe(took.as_secs_f64());
    }

    /// How much there is to tell the owners of objects.
    pub fn reports(&self, reports: Severities) {
        let Severities { notes, warnings, errors } = reports;
        for (severity, count) in [("note", notes), ("warning", warnings), ("error", errors)] {
            self.inner.figures.reports.with_label_values(&[severity]).set(figure(count));
        }
    }

    /// `/health` asked itself and had the answer after that time.
    pub fn health_request(&self, took: Duration) {
        self.inner.figures.health.observe(took.as_secs_f64());
    }

    /// `/health` asked itself and had no answer.
    pub fn health_request_failed(&self) {
        self.inner.figures.health_failures.inc();
    }

    /// What the source counts.
    pub fn source(&self) -> SourceMetrics {
        self.inner.source.clone()
    }

    /// The text form, for Prometheus.
    pub fn text(&self) -> String {
        text(&self.inner.registry)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
