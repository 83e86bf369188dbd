//! The figures of the service proxy: names, help, bounds.

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::FAMILIES;
use crate::metrics::{counter_with, register};

/// Bounds for what takes from a quarter of a millisecond to 16 seconds.
fn work_bounds() -> Vec<f64> {
    (0..17).map(|n| 0.000_25 * f64::from(1_u32 << n)).collect()
}

/// How long rules take, and how it went.
pub(super) struct Syncs {
    pub(super) all: HistogramVec,
    pub(super) full: HistogramVec,
    pub(super) partial: HistogramVec,
    pub(super) last: GaugeVec,
    pub(super) queued: GaugeVec,
    pub(super) failures: IntCounterVec,
    pub(super) programming: Histogram,
}

impl Syncs {
    pub(super) fn new(registry: &Registry) -> Self {
        let work = |name: &str, help: &str| {
            let opts = HistogramOpts::new(name, help).buckets(work_bounds());
            let times = HistogramVec::new(opts, &["ip_family"]).expect("a constant name is valid");
            register(registry, times.clone());
            times
        };
        let syncs = Self {
            all: work("kubeproxy_sync_proxy_rules_duration_seconds", "Time to bring the rules up to date"),
            full: work(
                "kubeproxy_sync_full_proxy_rules_duration_seconds",
                "Time to bring the rules up to date where everything was looked at",
            ),
            partial: work(
                "kubeproxy_sync_partial_proxy_rules_duration_seconds",
                "Time to bring the rules up to date where only changes were looked at",
            ),
            last: by_family(
                registry,
                "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
                "When rules were last brought up to date, seconds since the epoch",
            ),
            queued: by_family(
                registry,
                "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds",
                "When a change was last noticed, seconds since the epoch",
            ),
            failures: counters(
                registry,
                "kubeproxy_sync_proxy_rules_nftables_sync_failures_total",
                "Transactions that the kernel did not take",
                "ip_family",
            ),
            programming: histogram(
                registry,
                "kubeproxy_network_programming_duration_seconds",
                "Time from a change of pods until it was in force on this node",
                vec![
                    0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0,
                    300.0,
                ],
            ),
        };
        for family in FAMILIES {
            syncs.failures.with_label_values(&[family]);
        }
        syncs
    }
}

/// Services and endpoint sets that changed.
pub(super) struct Changes {
    pub(super) pending: [IntGauge; 2],
    pub(super) total: [IntCounter; 2],
    pub(super) no_local: IntGaugeVec,
}

impl Changes {
    pub(super) fn new(registry: &Registry) -> Self {
        let pending = |what: &str| {
            let name = format!("kubeproxy_sync_proxy_rules_{what}_changes_pending");
            let gauge = IntGauge::new(name, format!("Changes of {what}s that wait to be in force"));
            let gauge = gauge.expect("a constant name is valid");
            register(registry, gauge.clone());
            gauge
        };
        let total = |what: &str| {
            let name = format!("kubeproxy_sync_proxy_rules_{what}_changes_total");
            counter(registry, &name, &format!("Changes of {what}s that were put in force"))
        };
        Self {
            pending: [pending("service"), pending("endpoint")],
            total: [total("service"), total("endpoint")],
            no_local: gauges(
                registry,
                "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
                "Ports of Services with a policy Local that have endpoints, but none on this node",
                &["traffic_policy"],
            ),
        }
    }
}

/// Connections of endpoints that left.
pub(super) struct Conntrack {
    pub(super) took: Histogram,
    pub(super) deleted: IntCounter,
}

impl Conntrack {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            took: histogram(
                registry,
                "kubeproxy_conntrack_reconciler_sync_duration_seconds",
                "Time to find and remove the connections of endpoints that left",
                work_bounds(),
            ),
            deleted: counter(
                registry,
                "kubeproxy_conntrack_reconciler_deleted_entries_total",
                "Connections of endpoints that left, removed from the kernel's table",
            ),
        }
    }
}

/// What only Slipway has.
pub(super) struct Own {
    pub(super) elements: IntGaugeVec,
    pub(super) chains: IntGaugeVec,
    pub(super) transactions: IntCounterVec,
    pub(super) commands: IntCounterVec,
    pub(super) repairs: IntCounter,
    pub(super) reports: IntGaugeVec,
}

impl Own {
    pub(super) fn new(registry: &Registry) -> Self {
        let name = |name: &str| format!("slipway_service_proxy_{name}");
        let family = |of: &str, help: &str| gauges(registry, &name(of), help, &["ip_family"]);
        let counted = |of: &str, help: &str| counters(registry, &name(of), help, "ip_family");
        let build =
            gauges(registry, "slipway_build_info", "Always 1; the label says what runs", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Self {
            elements: family("elements", "Elements of sets and maps in force"),
            chains: family("chains", "Chains in force"),
            transactions: counted("transactions_total", "Transactions that the kernel took"),
            commands: counted("commands_total", "Commands in those transactions"),
            repairs: counter(
                registry,
                &name("repairs_total"),
                "How often the tables had been changed by somebody else and were repaired",
            ),
            reports: gauges(
                registry,
                &name("reports"),
                "What there is to tell the owners of objects now, by severity",
                &["severity"],
            ),
        }
    }
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    counter_with(registry, Opts::new(name, help))
}

pub(super) fn counters(registry: &Registry, name: &str, help: &str, label: &str) -> IntCounterVec {
    let counters = IntCounterVec::new(Opts::new(name, help), &[label]).expect("a constant name is valid");
    register(registry, counters.clone());
    counters
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    let gauges = IntGaugeVec::new(Opts::new(name, help), labels).expect("a constant name is valid");
    register(registry, gauges.clone());
    gauges
}

fn by_family(registry: &Registry, name: &str, help: &str) -> GaugeVec {
    let gauges = GaugeVec::new(Opts::new(name, help), &["ip_family"]).expect("a constant name is valid");
    register(registry, gauges.clone());
    gauges
}

fn histogram(registry: &Registry, name: &str, help: &str, bounds: Vec<f64>) -> Histogram {
    let opts = HistogramOpts::new(name, help).buckets(bounds);
    let histogram = Histogram::with_opts(opts).expect("a constant name is valid");
    register(registry, histogram.clone());
    histogram
}
