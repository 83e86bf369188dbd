//! What the service proxy counts, under the names of kube-proxy (`kubeproxy_...`) and a few of its own
//! (`slipway_service_proxy_...`).

mod figures;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounterVec, Registry};

use super::control::figure;
use super::{Severities, SourceMetrics, process, text};
use figures::{Changes, Conntrack, Own, Syncs, counters};

/// All of them. Cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    source: SourceMetrics,
    syncs: Syncs,
    changes: Changes,
    conntrack: Conntrack,
    own: Own,
    probes: [IntCounterVec; 2],
}

/// How kube-proxy calls the address families.
const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let probe = |what: &str| {
            let name = format!("kubeproxy_proxy_{what}_total");
            let help = format!("Answers of /{what}, by status code");
            let probes = counters(&registry, &name, &help, "code");
            for code in ["200", "503"] {
                probes.with_label_values(&[code]);
            }
            probes
        };
        let probes = [probe("healthz"), probe("livez")];
        process::register(&registry);
        let inner = Inner {
            source: SourceMetrics::new(&registry),
            syncs: Syncs::new(&registry),
            changes: Changes::new(&registry),
            conntrack: Conntrack::new(&registry),
            own: Own::new(&registry),
            probes,
            registry,
        };
        Self { inner: Arc::new(inner) }
    }
}

impl Metrics {
    /// The rules of a family (`IPv4`, `IPv6`) were brought up to date in that time, at that second since 1970; `full` when
    /// everything was looked at and not only what changed.
    pub fn synced(&self, family: &'static str, full: bool, took: Duration, now: f64) {
        let syncs = &self.inner.syncs;
        let kind = if full { &syncs.full } else { &syncs.partial };
        for times in [&syncs.all, kind] {
            times.with_label_values(&[family]).observe(took.as_secs_f64());
        }
        syncs.last.with_label_values(&[family]).set(now);
    }

    /// The rules of a family could not be brought up to date.
    pub fn failed(&self, family: &'static str) {
        self.inner.syncs.failures.with_label_values(&[family]).inc();
    }

    /// A change of endpoints was in force so long after it came about.
    pub fn programmed(&self, took: Duration) {
        self.inner.syncs.programming.observe(took.as_secs_f64());
    }

    /// A change was noticed at that second since 1970.
    pub fn queued(&self, now: f64) {
        for family in FAMILIES {
            self.inner.syncs.queued.with_label_values(&[family]).set(now);
        }
    }

    /// So many Services and endpoint sets changed and wait to be applied; 0 and 0 once they are.
    pub fn pending(&self, services: usize, endpoints: usize) {
        let [of_services, of_endpoints] = &self.inner.changes.pending;
        of_services.set(figure(services));
        of_endpoints.set(figure(endpoints));
    }

    /// So many Services and endpoint sets changed and are applied.
    pub fn changed(&self, services: usize, endpoints: usize) {
        let [of_services, of_endpoints] = &self.inner.changes.total;
        of_services.inc_by(services as u64);
        of_endpoints.inc_by(endpoints as u64);
    }

    /// So many ports of Services have endpoints but none on this node, by policy.
    pub fn without_local_endpoints(&self, internal: usize, external: usize) {
        for (policy, count) in [("internal", internal), ("external", external)] {
            self.inner.changes.no_local.with_label_values(&[policy]).set(figure(count));
        }
    }

    /// Connections of endpoints that left were looked for and so many removed.
    pub fn conntrack(&self, took: Duration, deleted: usize) {
        self.inner.conntrack.took.observe(took.as_secs_f64());
        self.inner.conntrack.deleted.inc_by(deleted as u64);
    }

    /// What is in force in a family.
    pub fn in_force(&self, family: &'static str, elements: usize, chains: usize) {
        self.inner.own.elements.with_label_values(&[family]).set(figure(elements));
        self.inner.own.chains.with_label_values(&[family]).set(figure(chains));
    }

    /// So many commands were written in one transaction.
    pub fn wrote(&self, family: &'static str, commands: usize) {
        self.inner.own.transactions.with_label_values(&[family]).inc();
        self.inner.own.commands.with_label_values(&[family]).inc_by(commands as u64);
    }

    /// Somebody changed our tables and they were repaired.
    pub fn repaired(&self) {
        self.inner.own.repairs.inc();
    }

    /// How much there is to tell the owners of objects.
    pub fn reports(&self, reports: Severities) {
        let Severities { notes, warnings, errors } = reports;
        for (severity, count) in [("note", notes), ("warning", warnings), ("error", errors)] {
            self.inner.own.reports.with_label_values(&[severity]).set(figure(count));
        }
    }

    /// `/healthz` was answered with that status code.
    pub fn healthz(&self, code: u16) {
        self.inner.probes[0].with_label_values(&[&code.to_string()]).inc();
    }

    /// `/livez` was answered with that status code.
    pub fn livez(&self, code: u16) {
        self.inner.probes[1].with_label_values(&[&code.to_string()]).inc();
    }

    /// What the source counts.
    pub fn source(&self) -> SourceMetrics {
        self.inner.source.clone()
    }

    /// All metrics in the text format of Prometheus.
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
mod tests {
    use super::*;

    #[test]
    fn everything_has_the_name_that_kube_proxy_gives_it() {
        let metrics = Metrics::default();
        let ms = Duration::from_millis;
        metrics.synced("IPv4", true, ms(3), 1_700_000_000.5);
        metrics.synced("IPv4", false, ms(1), 1_700_000_001.5);
        metrics.failed("IPv6");
        metrics.programmed(ms(40));
        metrics.queued(1_700_000_002.0);
        metrics.pending(2, 3);
        metrics.changed(4, 5);
        metrics.without_local_endpoints(6, 7);
        metrics.conntrack(ms(2), 8);
        metrics.in_force("IPv6", 9, 10);
        metrics.wrote("IPv4", 11);
        metrics.repaired();
        metrics.reports(Severities { warnings: 12, ..Severities::default() });
        metrics.healthz(503);
        metrics.livez(200);
        metrics.source().watch_listed("Service");
        let text = metrics.text();
        for line in [
            "kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family=\"IPv4\"} 2",
            "kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family=\"IPv4\"} 1",
            "kubeproxy_sync_partial_proxy_rules_duration_seconds_count{ip_family=\"IPv4\"} 1",
            "kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family=\"IPv4\"} 1700000001.5",
            "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family=\"IPv6\"} 1700000002",
            "kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family=\"IPv4\"} 0",
            "kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family=\"IPv6\"} 1",
            "kubeproxy_network_programming_duration_seconds_bucket{le=\"0.05\"} 1",
            "kubeproxy_sync_proxy_rules_service_changes_pending 2",
            "kubeproxy_sync_proxy_rules_endpoint_changes_pending 3",
            "kubeproxy_sync_proxy_rules_service_changes_total 4",
            "kubeproxy_sync_proxy_rules_endpoint_changes_total 5",
            "kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy=\"internal\"} 6",
            "kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy=\"external\"} 7",
            "kubeproxy_conntrack_reconciler_sync_duration_seconds_count 1",
            "kubeproxy_conntrack_reconciler_deleted_entries_total 8",
            "kubeproxy_proxy_healthz_total{code=\"503\"} 1",
            "kubeproxy_proxy_livez_total{code=\"200\"} 1",
            "slipway_service_proxy_elements{ip_family=\"IPv6\"} 9",
            "slipway_service_proxy_chains{ip_family=\"IPv6\"} 10",
            "slipway_service_proxy_transactions_total{ip_family=\"IPv4\"} 1",
            "slipway_service_proxy_commands_total{ip_family=\"IPv4\"} 11",
            "slipway_service_proxy_repairs_total 1",
            "slipway_service_proxy_reports{severity=\"warning\"} 12",
            "slipway_watch_lists_total{watch=\"Service\"} 1",
            "process_start_time_seconds ",
            "slipway_build_info{version=",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
        assert!(!text.contains("iptables") && !text.contains("nginx"), "{text}");
    }
}
