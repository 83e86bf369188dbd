//! What the owner of a Service is told: what cannot be in DNS, and why.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::Options;
use super::super::endpoint::Label;
use super::super::port::Port;
use super::{alias, plain};
use crate::model::service::{EndpointSet, Service, ServiceKind};
use crate::model::{Report, Severity};

/// Reports about a Service and its endpoints.
pub(super) fn of(service: &Service, sets: &[Arc<EndpointSet>], options: &Options) -> Vec<Report> {
    let mut reports = Vec::new();
    let mut tell = |reason, field: String, message: String| {
        let report = Report::new(&service.object, Severity::Warning, reason, message);
        reports.push(report.at(field, service.origin.as_ref()));
    };
    let key = &service.object.key;
    if plain(&key.name).is_none() || plain(&key.namespace).is_none() {
        let message = "is not in DNS, its name or its namespace is no label: \
            use lower-case letters, digits and hyphens, at most 63";
        tell("NameNotInDns", "metadata.name".into(), message.into());
        return reports;
    }
    match &service.kind {
        ServiceKind::ExternalName(target) => {
            if let Some((reason, message)) = leads_nowhere(target) {
                tell(reason, "spec.externalName".into(), message);
            }
            return reports;
        }
        ServiceKind::ClusterIp if service.cluster_ips.is_empty() => {
            let message = "has no address, so its name has none in DNS: set spec.clusterIP \
                (None for the addresses of its endpoints)";
            tell("ClusterIPMissing", "spec.clusterIP".into(), message.into());
        }
        ServiceKind::ClusterIp | ServiceKind::Headless => {}
    }
    for (at, port) in service.ports.iter().enumerate() {
        if !port.name.is_empty() && Port::new(&port.name, port.protocol).is_none() {
            let message = format!(
                "port \"{}\" has no name in DNS: use letters, digits and hyphens, at most 62",
                port.name
            );
            tell("PortNameNotInDns", format!("spec.ports[{at}].name"), message);
        }
    }
    if !options.no_endpoints {
        reports.extend(sets.iter().filter_map(|set| hostnames(set)));
    }
    reports
}

fn leads_nowhere(target: &str) -> Option<(&'static str, String)> {
    if target.parse::<IpAddr>().is_ok() {
        let message = format!(
            "externalName \"{target}\" is an address and not a name, so the Service is not in DNS: \
             use a headless Service with an EndpointSlice that has this address"
        );
        return Some(("ExternalNameIsAddress", message));
    }
    let message = || {
        format!(
            "externalName \"{target}\" is no DNS name, so the Service is not in DNS: \
             write labels of letters, digits and hyphens with dots between them"
        )
    };
    alias(target).is_err().then(|| ("ExternalNameInvalid", message()))
}

/// One report for a set, however many hostnames are wrong.
fn hostnames(set: &EndpointSet) -> Option<Report> {
    let wrong = |text: &&str| Label::parse(text).is_none();
    let mut names = set.endpoints.iter().filter_map(|endpoint| endpoint.hostname.as_deref()).filter(wrong);
    let first = names.next()?;
    let more = match names.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "hostname \"{first}\"{more} is no label of DNS, the endpoint is named after its address: \
         use letters, digits and hyphens, at most 63"
    );
    Some(Report::new(&set.object, Severity::Warning, "HostnameInvalid", message))
}
