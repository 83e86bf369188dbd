//! The figures of the DNS server that are not counted by query: names, help, bounds.

use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use crate::metrics::{counter_with, register};

/// All of them.
pub(super) struct Figures {
    pub(super) plugins: IntGaugeVec,
    pub(super) limited: IntCounterVec,
    pub(super) overloaded: IntCounter,
    pub(super) connections: IntGauge,
    pub(super) log_lines_dropped: IntCounter,
    pub(super) autopath: IntCounterVec,
    pub(super) templates: IntCounterVec,
    pub(super) template_failures: IntCounter,
    pub(super) hosts_entries: IntGauge,
    pub(super) hosts_reloaded: Gauge,
    pub(super) reload_failed: IntCounter,
    pub(super) programming: HistogramVec,
    pub(super) reports: IntGaugeVec,
    pub(super) health: Histogram,
    pub(super) health_failures: IntCounter,
}

impl Figures {
    pub(super) fn new(registry: &Registry) -> Self {
        build(registry);
        counter(registry, "coredns_panics_total", "Panics; there are none");
        Self {
            plugins: plugins(registry),
            limited: counters(
                registry,
                "slipway_dns_client_limited_total",
                "Queries of clients that ask too much, by what was done",
                &["action"],
            ),
            overloaded: counter(
                registry,
                "slipway_dns_overloaded_total",
                "Queries that found more under way than there may be and got SERVFAIL",
            ),
            connections: gauge(registry, "slipway_dns_tcp_connections", "TCP connections open now"),
            log_lines_dropped: counter(
                registry,
                "slipway_dns_log_lines_dropped_total",
                "Lines of the query log lost because their reader was too slow",
            ),
            autopath: counters(
                registry,
                "coredns_autopath_success_total",
                "Search paths answered in one round trip",
                &["server"],
            ),
            templates: counters(
                registry,
                "coredns_template_matches_total",
                "Questions that a template answered",
                &["server", "zone", "view", "class", "type"],
            ),
            template_failures: counter(
                registry,
                "coredns_template_rr_failures_total",
                "Records of templates that could not be made",
            ),
            hosts_entries: gauge(registry, "coredns_hosts_entries", "Entries of hosts files and inline"),
            hosts_reloaded: hosts_reloaded(registry),
            reload_failed: counter(
                registry,
                "coredns_reload_failed_total",
                "Changed Corefiles that could not be put in force",
            ),
            programming: programming(registry),
            reports: gauges(
                registry,
                "slipway_dns_reports",
                "What there is to tell the owners of objects, by severity",
                &["severity"],
            ),
            health: health(registry),
            health_failures: counter(
                registry,
                "coredns_health_request_failures_total",
                "Times that health asked itself and had no answer",
            ),
        }
    }
}

fn build(registry: &Registry) {
    let version = env!("CARGO_PKG_VERSION");
    let opts = Opts::new("coredns_build_info", "Which program this is, in the form that dashboards look for");
    let opts = opts.const_label("goversion", "").const_label("revision", "").const_label("version", version);
    let coredns = IntGauge::with_opts(opts).expect("a constant name is valid");
    coredns.set(1);
    register(registry, coredns);
    let opts = Opts::new("slipway_build_info", "Which Slipway this is").const_label("version", version);
    let own = IntGauge::with_opts(opts).expect("a constant name is valid");
    own.set(1);
    register(registry, own);
}

fn plugins(registry: &Registry) -> IntGaugeVec {
    let labels = ["server", "zone", "view", "name"];
    gauges(registry, "coredns_plugin_enabled", "What is on, by server and zone", &labels)
}

fn hosts_reloaded(registry: &Registry) -> Gauge {
    let gauge = Gauge::new("coredns_hosts_reload_timestamp_seconds", "When the hosts file was last read");
    let gauge = gauge.expect("a constant name is valid");
    register(registry, gauge.clone());
    gauge
}

fn programming(registry: &Registry) -> HistogramVec {
    let bounds = (0..20).map(|n| 0.001 * f64::from(1_u32 << n)).collect();
    let opts = HistogramOpts::new(
        "coredns_kubernetes_dns_programming_duration_seconds",
        "Time from a change of endpoints until it was in the answers",
    );
    let times = HistogramVec::new(opts.buckets(bounds), &["service_kind"]).expect("a constant name is valid");
    register(registry, times.clone());
    times
}

fn health(registry: &Registry) -> Histogram {
    let opts =
        HistogramOpts::new("coredns_health_request_duration_seconds", "Time that health took to ask itself");
    let opts = opts.buckets(vec![0.000_25, 0.002_5, 0.025, 0.25, 2.5]);
    let times = Histogram::with_opts(opts).expect("a constant name is valid");
    register(registry, times.clone());
    times
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    counter_with(registry, Opts::new(name, help))
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let counters = IntCounterVec::new(Opts::new(name, help), labels).expect("a constant name is valid");
    register(registry, counters.clone());
    counters
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = IntGauge::new(name, help).expect("a constant name is valid");
    register(registry, gauge.clone());
    gauge
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    let gauges = IntGaugeVec::new(Opts::new(name, help), labels).expect("a constant name is valid");
    register(registry, gauges.clone());
    gauges
}
