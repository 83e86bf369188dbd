//! Every metric: name, unit, labels.
//!
//! Names follow ingress-nginx (`nginx_ingress_controller_...`) where the meaning is the same, so that dashboards keep
//! working; what only Slipway has starts with `slipway_`. Workers count on their own and hand over a [`Batch`] about
//! once a second, so a request touches no shared counter; everything here runs on the control thread or in a worker's
//! idle moment. The service proxy has a registry of its own ([`service_proxy`]).

pub mod admission;
mod control;
pub mod dns;
mod process;
mod publishing;
mod requests;
pub mod service_proxy;
mod source;

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, Opts, Registry, TextEncoder};

use admission::Admission;
use control::Control;
use publishing::Publishing;
use requests::Requests;

pub use control::{CertificateInfo, Load, Severities};
pub use publishing::EventAction;
pub use requests::{DURATION_BOUNDS, Labels, RequestSample};
pub use source::{Followed, SourceMetrics};

/// The registry and everything in it. Clones count into the same metrics.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    requests: Requests,
    control: Control,
    source: SourceMetrics,
    admission: Admission,
    publishing: Publishing,
    traffic: Traffic,
}

/// Who counts: constant labels of every metric, as ingress-nginx has them.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// `controller_class`.
    pub class: String,
    /// `controller_namespace`.
    pub namespace: String,
    /// `controller_pod`.
    pub pod: String,
}

/// What one worker counted since its last batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// One sample for each combination of labels that had requests.
    pub requests: Vec<RequestSample>,
    /// Client connections accepted.
    pub connections_accepted: u64,
    /// Client connections open now (not a difference).
    pub connections_active: i64,
    /// Which worker speaks, from 0.
    pub worker: usize,
    /// Requests sent once more to another endpoint.
    pub retries: u64,
    /// Connections opened to endpoints.
    pub upstream_connects: u64,
    /// Connections to endpoints that failed, by refusal or time.
    pub upstream_failures: u64,
    /// Requests refused because their head was malformed or too large.
    pub bad_heads: u64,
    /// TLS handshakes that clients did not finish.
    pub tls_handshake_failures: u64,
    /// Access log lines lost because the reader of standard output was too slow.
    pub log_lines_dropped: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics without the labels that name the controller.
    pub fn new() -> Self {
        Self::with_identity(&Identity::default())
    }

    /// Metrics that carry the controller's class, namespace and pod where they are known.
    pub fn with_identity(identity: &Identity) -> Self {
        let labels = [
            ("controller_class", &identity.class),
            ("controller_namespace", &identity.namespace),
            ("controller_pod", &identity.pod),
        ];
        let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
        let labels = labels.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        let registry = Registry::new_custom(None, Some(labels)).expect("the labels are fixed and valid");
        let requests = Requests::default();
        register(&registry, requests.clone());
        let control = Control::new(&registry);
        let source = SourceMetrics::new(&registry);
        let admission = Admission::new(&registry);
        let publishing = Publishing::new(&registry);
        let traffic = Traffic::new(&registry);
        process::register(&registry);
        Self {
            inner: Arc::new(Inner { registry, requests, control, source, admission, publishing, traffic }),
        }
    }

    /// Adds what a worker counted.
    pub fn merge(&self, batch: Batch) {
        let traffic = &self.inner.traffic;
        let requests: u64 = batch.requests.iter().map(|sample| sample.count).sum();
        traffic.requests.inc_by(requests);
        traffic.accepted.inc_by(batch.connections_accepted);
        traffic.handled.inc_by(batch.connections_accepted);
        traffic.retries.inc_by(batch.retries);
        traffic.upstream_connects.inc_by(batch.upstream_connects);
        traffic.upstream_failures.inc_by(batch.upstream_failures);
        traffic.bad_heads.inc_by(batch.bad_heads);
        traffic.handshake_failures.inc_by(batch.tls_handshake_failures);
        traffic.log_lines_dropped.inc_by(batch.log_lines_dropped);
        self.inner.requests.merge(batch.worker, batch.connections_active, batch.requests);
    }

    /// Forgets the series of requests that had no traffic since the last call and that `alive` does not know any
    /// more. Call it now and then (minutes), so that routes that left do not stay forever.
    pub fn forget(&self, alive: impl Fn(&Labels) -> bool) {
        self.inner.requests.forget(alive);
    }

    /// A new configuration is in force since `at` (seconds since the epoch).
    pub fn reload_succeeded(&self, at: i64) {
        self.inner.control.reload_succeeded(at);
    }

    /// A configuration could not be put in force; the former one serves on.
    pub fn reload_failed(&self) {
        self.inner.control.reload_failed();
    }

    /// Replaces what is known of the certificates in force.
    pub fn certificates(&self, certificates: &[CertificateInfo]) {
        self.inner.control.certificates(certificates);
    }

    /// How many reports are open.
    pub fn reports(&self, reports: Severities) {
        self.inner.control.reports(reports);
    }

    /// How long the last compile took, and how large its result is.
    pub fn compiled(&self, seconds: f64, load: Load) {
        self.inner.control.compiled(seconds, load);
    }

    /// What the source counts.
    pub fn source(&self) -> SourceMetrics {
        self.inner.source.clone()
    }

    /// A decision of the validating webhook was made.
    pub fn admission_tested(&self, review: admission::Review) {
        self.inner.admission.tested(review);
    }

    /// A request to the validating webhook ended; `took` is the time from its head on.
    pub fn admission(&self, verdict: admission::Verdict, took: Duration) {
        self.inner.admission.ended(verdict, took);
    }

    /// Whether this replica holds the Lease of that name, and so writes status and Events.
    pub fn leading(&self, lease: &str, leading: bool) {
        self.inner.publishing.leading(lease, leading);
    }

    /// The status of an Ingress was written, or could not be.
    pub fn status_written(&self, well: bool) {
        self.inner.publishing.status_written(well);
    }

    /// An Event was written or deleted, or could not be.
    pub fn event_written(&self, action: EventAction, well: bool) {
        self.inner.publishing.event_written(action, well);
    }

    /// All metrics in the text format of Prometheus.
    pub fn text(&self) -> String {
        text(&self.inner.registry)
    }
}

/// A registry in the text format of Prometheus.
fn text(registry: &Registry) -> String {
    let mut text = String::new();
    let written = TextEncoder::new().encode_utf8(&registry.gather(), &mut text);
    written.expect("writing to a String cannot fail");
    text
}

/// A method as a label value: the known ones as they are, everything else `OTHER`, so that clients cannot make up
/// series.
pub fn method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("OTHER")
}

/// Counters of connections and of what goes wrong below a request.
struct Traffic {
    requests: IntCounter,
    accepted: IntCounter,
    handled: IntCounter,
    retries: IntCounter,
    upstream_connects: IntCounter,
    upstream_failures: IntCounter,
    bad_heads: IntCounter,
    handshake_failures: IntCounter,
    log_lines_dropped: IntCounter,
}

impl Traffic {
    fn new(registry: &Registry) -> Self {
        let connections = |state: &str| {
            let name = "nginx_ingress_controller_nginx_process_connections_total";
            let opts = Opts::new(name, "Client connections since the start, by state");
            counter_with(registry, opts.const_label("state", state))
        };
        let counter = |name: &str, help: &str| counter_with(registry, Opts::new(name, help));
        Self {
            accepted: connections("accepted"),
            handled: connections("handled"),
            requests: counter(
                "nginx_ingress_controller_nginx_process_requests_total",
                "Client requests since the start",
            ),
            retries: counter("slipway_retries_total", "Requests sent once more to another endpoint"),
            upstream_connects: counter("slipway_upstream_connects_total", "Connections opened to endpoints"),
            upstream_failures: counter(
                "slipway_upstream_connect_failures_total",
                "Connections to endpoints that failed, by refusal or time",
            ),
            bad_heads: counter(
                "slipway_bad_heads_total",
                "Requests refused because their head was malformed or too large",
            ),
            handshake_failures: counter(
                "slipway_tls_handshake_failures_total",
                "TLS handshakes that did not finish",
            ),
            log_lines_dropped: counter(
                "slipway_access_log_lines_dropped_total",
                "Access log lines lost because the reader of standard output was too slow",
            ),
        }
    }
}

fn counter_with(registry: &Registry, opts: Opts) -> IntCounter {
    let counter = IntCounter::with_opts(opts).expect("a constant name is valid");
    register(registry, counter.clone());
    counter
}

fn register(registry: &Registry, collector: impl prometheus::core::Collector + 'static) {
    registry.register(Box::new(collector)).expect("every name is registered once");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(path: &str, count: u64) -> RequestSample {
        let labels = Labels {
            ingress: "web".into(),
            namespace: "shop".into(),
            service: "front".into(),
            host: "a.example".into(),
            path: path.into(),
            method: method("GET"),
            status: 200,
        };
        let mut duration_buckets = [0; 12];
        duration_buckets[1] = count;
        RequestSample {
            labels,
            count,
            duration_sum_secs: 0.5,
            duration_buckets,
            request_bytes: 10,
            response_bytes: 100,
        }
    }

    #[test]
    fn batches_of_all_workers_add_up() {
        let metrics = Metrics::new();
        for worker in 0..2 {
            metrics.merge(Batch {
                worker,
                requests: vec![sample("/", 3)],
                connections_active: 7,
                ..Batch::default()
            });
        }
        let text = metrics.text();
        let labels = "canary=\"\",host=\"a.example\",ingress=\"web\",method=\"GET\",namespace=\"shop\",path=\"/\",service=\"front\",status=\"200\"";
        for line in [
            format!("nginx_ingress_controller_requests{{{labels}}} 6"),
            format!("nginx_ingress_controller_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} 0"),
            format!("nginx_ingress_controller_request_duration_seconds_bucket{{{labels},le=\"0.01\"}} 6"),
            format!("nginx_ingress_controller_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 6"),
            format!("nginx_ingress_controller_request_duration_seconds_sum{{{labels}}} 1"),
            format!("nginx_ingress_controller_response_size_sum{{{labels}}} 200"),
            "nginx_ingress_controller_nginx_process_connections{state=\"active\"} 14".into(),
            "nginx_ingress_controller_nginx_process_requests_total 6".into(),
        ] {
            assert!(text.contains(&line), "no {line} in\n{text}");
        }
    }

    #[test]
    fn series_of_routes_that_left_go_after_a_while_without_traffic() {
        let metrics = Metrics::new();
        metrics.merge(Batch { requests: vec![sample("/old", 1), sample("/kept", 1)], ..Batch::default() });
        let alive = |labels: &Labels| labels.path == "/kept";
        metrics.forget(alive);
        assert!(metrics.text().contains("path=\"/old\""), "it had traffic since the last call");
        metrics.forget(alive);
        assert!(!metrics.text().contains("path=\"/old\""));
        assert!(metrics.text().contains("path=\"/kept\""));
    }

    #[test]
    fn the_identity_is_a_label_of_every_metric() {
        let identity = Identity { class: "k8s.io/ingress-nginx".into(), ..Identity::default() };
        let metrics = Metrics::with_identity(&identity);
        metrics.reload_succeeded(1_700_000_000);
        let text = metrics.text();
        assert!(
            text.contains("config_last_reload_successful{controller_class=\"k8s.io/ingress-nginx\"} 1"),
            "{text}"
        );
    }

    #[test]
    fn made_up_methods_share_one_label() {
        assert_eq!(method("PATCH"), "PATCH");
        assert_eq!(method("BREW"), "OTHER");
        assert_eq!(method("get"), "OTHER");
    }
}
