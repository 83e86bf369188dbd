//! Says what a publication changed: log lines for people, figures for metrics.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info};

use super::Controller;
use crate::compile::{self, Compiled};
use crate::metrics::{CertificateInfo, Load};
use crate::model::Snapshot;
use crate::model::certificate::Certificate;
use crate::model::route::Host;

impl Controller {
    /// Logs what is new and sets the figures. `self` still holds the former state.
    pub(super) fn announce(&mut self, snapshot: &Snapshot, compiled: &Compiled, took: Duration, first: bool) {
        let same_hosts = self.compiled.as_ref().is_some_and(|former| {
            let hosts = |c: &Compiled| Arc::as_ptr(c.tables.routes.shared_hosts());
            hosts(former) == hosts(compiled)
        });
        let compile::Size { hosts, routes, backends, endpoints } = compiled.size;
        let load = Load { ingresses: snapshot.ingresses.len(), hosts, routes, backends, endpoints };
        self.metrics.compiled(took.as_secs_f64(), load);
        if let Some(severities) = self.reported.write(&compiled.reports) {
            self.metrics.reports(severities);
        }
        let same_certificates = self.compiled.as_ref().is_some_and(|former| {
            former.tables.routes.certificates.is_same(&compiled.tables.routes.certificates)
        });
        let same_secrets = self.snapshot.secrets.is_same(&snapshot.secrets);
        if first || !same_certificates || !same_secrets {
            self.metrics.certificates(&certificates(snapshot, compiled));
        }
        let size = format!(
            "{}, {}, {}, {} (compiled in {:.1} ms)",
            count(load.ingresses, "Ingress", "Ingresses"),
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
