//! Gauges of the control side: reloads, certificates, reports, the size of what is in force.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::{counter_with, register};

/// A certificate in force, for `ssl_expire_time_seconds` and `ssl_certificate_info`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateInfo {
    /// The host it is used for.
    pub host: String,
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret; empty for the self-signed one.
    pub secret: String,
    /// Serial number, lower-case hexadecimal.
    pub serial: String,
    /// `RSA`, `ECDSA` or `Ed25519`.
    pub algorithm: String,
    /// End of validity, seconds since the epoch.
    pub not_after: i64,
}

impl CertificateInfo {
    fn expire_labels(&self) -> [&str; 3] {
        [&self.host, &self.namespace, &self.secret]
    }

    fn info_labels(&self) -> [&str; 5] {
        [&self.host, &self.namespace, &self.secret, &self.serial, &self.algorithm]
    }
}

/// How many reports of each severity are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Severities {
    /// Everything asked for is in force.
    pub notes: usize,
    /// Something is ignored.
    pub warnings: usize,
    /// Something is refused.
    pub errors: usize,
}

/// How large the configuration in force is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Ingresses seen.
    pub ingresses: usize,
    /// Hosts with rules.
    pub hosts: usize,
    /// Routes, over all hosts.
    pub routes: usize,
    /// Backends: pairs of Service and port.
    pub backends: usize,
    /// Endpoint addresses, over all backends.
    pub endpoints: usize,
}

pub(super) struct Control {
    reloaded: IntGauge,
    reloaded_at: Gauge,
    success: IntCounter,
    errors: IntCounter,
    expire: GaugeVec,
    info: IntGaugeVec,
    /// What the two above show.
    certificates: Mutex<BTreeSet<CertificateInfo>>,
    reports: IntGaugeVec,
    load: IntGaugeVec,
    compile: Histogram,
}

impl Control {
    pub(super) fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| counter_with(registry, Opts::new(name, help));
        let info_labels = ["host", "namespace", "secret_name", "serial_number", "public_key_algorithm"];
        let build = gauges(
            registry,
            "nginx_ingress_controller_build_info",
            "Always 1; the labels say what runs",
            &["build", "release", "repository", "version"],
        );
        let (version, repository) = (env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_REPOSITORY"));
        build.with_label_values(&["", version, repository, version]).set(1);
        Self {
            reloaded: gauge(
                registry,
                "nginx_ingress_controller_config_last_reload_successful",
                "1 when the last change was put in force",
            ),
            reloaded_at: float_gauge(
                registry,
                "nginx_ingress_controller_config_last_reload_successful_timestamp_seconds",
                "When the last change was put in force",
            ),
            success: counter("nginx_ingress_controller_success", "Changes put in force since the start"),
            errors: counter("nginx_ingress_controller_errors", "Changes that could not be put in force"),
            expire: certificate_expiry(registry),
            info: gauges(
                registry,
                "nginx_ingress_controller_ssl_certificate_info",
                "Always 1; the labels describe a certificate in force",
                &info_labels,
            ),
            certificates: Mutex::default(),
            reports: gauges(registry, "slipway_reports", "Open reports, by severity", &["severity"]),
            load: gauges(
                registry,
                "slipway_objects",
                "Size of the configuration in force, by kind of thing",
                &["kind"],
            ),
            compile: compile_time(registry),
        }
    }

    pub(super) fn reload_succeeded(&self, at: i64) {
        self.reloaded.set(1);
        self.reloaded_at.set(at as f64);
        self.success.inc();
    }

    pub(super) fn reload_failed(&self) {
        self.reloaded.set(0);
        self.errors.inc();
    }

    /// Touches only what differs: there may be a hundred thousand.
    pub(super) fn certificates(&self, certificates: &[CertificateInfo]) {
        let now: BTreeSet<CertificateInfo> = certificates.iter().cloned().collect();
        let mut known = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        for c in known.difference(&now) {
            // Absent already when two had the same labels.
            let _ = self.expire.remove_label_values(&c.expire_labels());
            let _ = self.info.remove_label_values(&c.info_labels());
        }
        for c in now.difference(&known) {
            self.expire.with_label_values(&c.expire_labels()).set(c.not_after as f64);
            self.info.with_label_values(&c.info_labels()).set(1);
        }
        *known = now;
    }

    pub(super) fn reports(&self, reports: Severities) {
        let Severities { notes, warnings, errors } = reports;
        for (severity, count) in [("note", notes), ("warning", warnings), ("error", errors)] {
            self.reports.with_label_values(&[severity]).set(figure(count));
        }
    }

    pub(super) fn compiled(&self, seconds: f64, load: Load) {
        self.compile.observe(seconds);
        let Load { ingresses, hosts, routes, backends, endpoints } = load;
        let all = [
            ("ingresses", ingresses),
            ("hosts", hosts),
            ("routes", routes),
            ("backends", backends),
            ("endpoints", endpoints),
        ];
        for (kind, count) in all {
            self.load.with_label_values(&[kind]).set(figure(count));
        }
    }
}

fn certificate_expiry(registry: &Registry) -> GaugeVec {
    let opts = Opts::new(
        "nginx_ingress_controller_ssl_expire_time_seconds",
        "End of validity of a certificate in force, seconds since the epoch",
    );
    let gauges =
        GaugeVec::new(opts, &["host", "namespace", "secret_name"]).expect("a constant name is valid");
    register(registry, gauges.clone());
    gauges
}

fn compile_time(registry: &Registry) -> Histogram {
    let opts = HistogramOpts::new("slipway_compile_seconds", "Time to turn all objects into routing tables");
    let buckets = vec![0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0];
    let histogram = Histogram::with_opts(opts.buckets(buckets)).expect("a constant name is valid");
    register(registry, histogram.clone());
    histogram
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = IntGauge::new(name, help).expect("a constant name is valid");
    register(registry, gauge.clone());
    gauge
}

fn float_gauge(registry: &Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::new(name, help).expect("a constant name is valid");
    register(registry, gauge.clone());
    gauge
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    let gauges = IntGaugeVec::new(Opts::new(name, help), labels).expect("a constant name is valid");
    register(registry, gauges.clone());
    gauges
}

pub(super) fn figure(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn a_certificate_that_left_has_no_series_any_more() {
        let metrics = Metrics::new();
        let certificate = |host: &str| CertificateInfo {
            host: host.into(),
            not_after: 1_900_000_000,
            ..CertificateInfo::default()
        };
        metrics.certificates(&[certificate("a.example"), certificate("b.example")]);
        metrics.certificates(&[certificate("b.example")]);
        let text = metrics.text();
        assert!(!text.contains("a.example"), "{text}");
        metrics.certificates(&[CertificateInfo { not_after: 1_900_000_001, ..certificate("b.example") }]);
        assert!(metrics.text().contains("namespace=\"\",secret_name=\"\"} 1900000001"), "renewed");
        assert!(text.contains(
            "ssl_expire_time_seconds{host=\"b.example\",namespace=\"\",secret_name=\"\"} 1900000000"
        ));
    }

    #[test]
    fn the_load_and_the_reports_are_gauges_by_kind() {
        let metrics = Metrics::new();
        metrics.compiled(0.003, Load { routes: 12, ..Load::default() });
        metrics.reports(Severities { warnings: 2, ..Severities::default() });
        let text = metrics.text();
        for line in [
            "slipway_objects{kind=\"routes\"} 12",
            "slipway_reports{severity=\"warning\"} 2",
            "slipway_compile_seconds_count 1",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
    }
}
