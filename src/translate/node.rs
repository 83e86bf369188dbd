//! Node and ServiceCIDR -> model.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::networking::v1 as networking;

use super::{cluster_wide, value};
use crate::model::node::{Node, ServiceRange};
use crate::model::{Kind, ObjectRef, Origin, Report, Severity};

/// The label that says in which zone a node is.
const ZONE: &str = "topology.kubernetes.io/zone";

/// The taint of a node that the cluster autoscaler is about to remove.
const LEAVING: &str = "ToBeDeletedByClusterAutoscaler";

/// Translates a Node. An address or range that cannot be read is left out and told.
pub fn node(object: &core::Node, origin: Option<Arc<Origin>>) -> Result<(Node, Vec<Report>), Report> {
    let name = cluster_wide(Kind::Node, &object.metadata)?;
    let mut reports = Vec::new();
    let spec = object.spec.as_ref();
    let one = spec.and_then(|spec| spec.pod_cidr.as_ref());
    let cidrs = spec.and_then(|spec| spec.pod_cidrs.as_deref()).unwrap_or_default();
    let (field, cidrs) = if cidrs.is_empty() {
        ("spec.podCIDR", one.map_or(&[][..], std::slice::from_ref))
    } else {
        ("spec.podCIDRs", cidrs)
    };
    let pod_cidrs = ranges(&name, field, cidrs, origin.as_ref(), &mut reports);
    let labels = object.metadata.labels.as_ref();
    let node = Node {
        addresses: addresses(&name, object, origin.as_ref(), &mut reports),
        pod_cidrs,
        zone: labels
            .and_then(|labels| labels.get(ZONE))
            .filter(|zone| !zone.is_empty())
            .map(|zone| zone.as_str().into()),
        deleting: object.metadata.deletion_timestamp.is_some(),
        leaving: spec
            .and_then(|spec| spec.taints.as_ref())
            .into_iter()
            .flatten()
            .any(|taint| taint.key == LEAVING),
        object: name,
        origin,
    };
    Ok((node, reports))
}

/// Translates a ServiceCIDR. A range that cannot be read is left out and told.
pub fn service_range(
    object: &networking::ServiceCIDR,
    origin: Option<&Arc<Origin>>,
) -> Result<(ServiceRange, Vec<Report>), Report> {
    let name = cluster_wide(Kind::ServiceCIDR, &object.metadata)?;
    let mut reports = Vec::new();
    let cidrs = object.spec.as_ref().and_then(|spec| spec.cidrs.as_deref()).unwrap_or_default();
    let cidrs = ranges(&name, "spec.cidrs", cidrs, origin, &mut reports);
    Ok((ServiceRange { object: name, cidrs }, reports))
}

/// The addresses inside the cluster first, those of the outside after them.
fn addresses(
    name: &ObjectRef,
    object: &core::Node,
    origin: Option<&Arc<Origin>>,
    reports: &mut Vec<Report>,
) -> Vec<IpAddr> {
    let listed = object.status.as_ref().and_then(|status| status.addresses.as_deref()).unwrap_or_default();
    let mut found = Vec::new();
    for kind in ["InternalIP", "ExternalIP"] {
        for (at, entry) in listed.iter().enumerate().filter(|(_, entry)| entry.type_ == kind) {
            if let Some((address, _)) = value::address(&entry.address) {
                found.push(address);
                continue;
            }
            let message = format!("\"{}\" is not an IP address and is ignored", entry.address);
            let report = Report::new(name, Severity::Warning, "InvalidAddress", message);
            reports.push(report.at(format!("status.addresses[{at}].address"), origin));
        }
    }
    found
}

/// Ranges of addresses; host bits are cut off.
fn ranges(
    name: &ObjectRef,
    field: &str,
    texts: &[String],
    origin: Option<&Arc<Origin>>,
    reports: &mut Vec<Report>,
) -> Vec<IpNet> {
    let mut found = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        if let Ok(range) = text.parse::<IpNet>() {
            found.push(range.trunc());
            continue;
        }
        let message = format!("\"{text}\" is not a range and is ignored: write it like 10.96.0.0/16");
        let report = Report::new(name, Severity::Warning, "InvalidRange", message);
        reports.push(report.at(format!("{field}[{at}]"), origin));
    }
    found
}
