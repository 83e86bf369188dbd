//! Says what a publication changed: log lines for people, figures for metrics.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::Controller;
use crate::compile::Compiled;
use crate::metrics::{CertificateInfo, Load, Severities};
use crate::model::certificate::Certificate;
use crate::model::route::Host;
use crate::model::{Report, Severity, Snapshot};
use crate::routing::HostTable;

/// More reports than this are counted, not logged one by one.
const LOGGED: usize = 200;

impl Controller {
    /// Logs what is new and sets the figures. `self` still holds the former state.
    pub(super) fn announce(&mut self, snapshot: &Snapshot, compiled: &Compiled, took: Duration, first: bool) {
        let same_hosts = self.compiled.as_ref().is_some_and(|former| {
            let hosts = |c: &Compiled| Arc::as_ptr(c.tables.routes.shared_hosts());
            hosts(former) == hosts(compiled)
        });
        if !same_hosts {
            self.hosts_and_routes = hosts_and_routes(compiled);
        }
        let load = self.load(snapshot, compiled);
        self.metrics.compiled(took.as_secs_f64(), load);
        self.reports(&compiled.reports);
        let same_secrets = Arc::ptr_eq(&self.snapshot.secrets, &snapshot.secrets);
        if first || !same_hosts || !same_secrets {
            self.metrics.certificates(&certificates(snapshot, compiled));
        }
        let Load { ingresses, hosts, routes, endpoints, .. } = load;
        let size = format!(
            "{}, {}, {}, {} (compiled in {:.1} ms)",
            count(ingresses, "Ingress", "Ingresses"),
            count(hosts, "host", "hosts"),
            count(routes, "route", "routes"),
            count(endpoints, "endpoint", "endpoints"),
            took.as_secs_f64() * 1000.0
        );
        match (first, same_hosts) {
            (true, _) => info!("serving {size}"),
            (false, false) => info!("change in force: {size}"),
            (false, true) => debug!("change in force: {size}"),
        }
    }

    fn load(&self, snapshot: &Snapshot, compiled: &Compiled) -> Load {
        let endpoints = &compiled.tables.endpoints;
        let (hosts, routes) = self.hosts_and_routes;
        Load {
            ingresses: snapshot.ingresses.len(),
            hosts,
            routes,
            backends: endpoints.backends.iter().filter(|backend| backend.serial != 0).count(),
            endpoints: endpoints.targets(),
        }
    }

    /// Logs each report once, and once when it ends.
    fn reports(&mut self, reports: &[Report]) {
        if self.reported.iter().eq(reports) {
            return;
        }
        let now: BTreeSet<Report> = reports.iter().cloned().collect();
        for report in now.difference(&self.reported).take(LOGGED) {
            match report.severity {
                Severity::Note => info!("{}", words(report)),
                Severity::Warning => warn!("{}", words(report)),
                Severity::Error => error!("{}", words(report)),
            }
        }
        let more = now.difference(&self.reported).count().saturating_sub(LOGGED);
        if more > 0 {
            warn!("and {more} more reports: see all with `slipway check` or at /config");
        }
        for report in self.reported.difference(&now).take(LOGGED) {
            info!("no longer: {}", words(report));
        }
        let of = |severity| now.iter().filter(|report| report.severity == severity).count();
        self.metrics.reports(Severities {
            notes: of(Severity::Note),
            warnings: of(Severity::Warning),
            errors: of(Severity::Error),
        });
        self.reported = now;
    }
}

/// A report without its severity, which the log line begins with.
fn words(report: &Report) -> String {
    let place = report.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    format!("{place}{}{}", report.subject(), report.message)
}

/// Hosts with rules, and rules. Walks over everything: asked only when hosts changed.
fn hosts_and_routes(compiled: &Compiled) -> (usize, usize) {
    let rules = |host: &Arc<HostTable>| host.routes().filter(|r| r.origin.ingress.is_some()).count();
    let rules = compiled.tables.routes.hosts().map(rules);
    rules.filter(|rules| *rules > 0).fold((0, 0), |(hosts, routes), rules| (hosts + 1, routes + rules))
}

/// The certificates in force. The Secret of each is found by identity.
fn certificates(snapshot: &Snapshot, compiled: &Compiled) -> Vec<CertificateInfo> {
    let secrets: HashMap<_, _> = snapshot
        .secrets
        .values()
        .filter_map(|secret| Some((Arc::as_ptr(secret.certificate.as_ref().ok()?), &secret.object.key)))
        .collect();
    let info = |(host, certificate): (Host, &Arc<Certificate>)| {
        let key = secrets.get(&Arc::as_ptr(certificate));
        CertificateInfo {
            host: host.to_string(),
            namespace: key.map(|key| key.namespace.to_string()).unwrap_or_default(),
            secret: key.map(|key| key.name.to_string()).unwrap_or_default(),
            serial: certificate.serial.clone(),
            algorithm: certificate.algorithm.to_owned(),
            not_after: certificate.not_after,
        }
    };
    compiled.tables.routes.certificates.all().map(info).collect()
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
