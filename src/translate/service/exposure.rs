//! How a Service's addresses behave on a node: everything of it that only a service proxy asks for.

use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::api::core::v1;

use super::Told;
use crate::model::Severity;
use crate::model::service::Exposure;
use crate::translate::value;

/// The label of a Service that another proxy serves, whatever its value.
const OTHER_PROXY: &str = "service.kubernetes.io/service-proxy-name";

/// The annotation from before there was `spec.loadBalancerSourceRanges`.
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

/// For how many seconds a client keeps its endpoint where nothing is said, and at most.
const AFFINITY: (u32, u32) = (10_800, 86_400);

/// Reads what a Service with a cluster address says about its other addresses and its clients.
pub(super) fn exposure(object: &v1::Service, spec: &v1::ServiceSpec, told: &mut Told<'_>) -> Exposure {
    let external_ips = addresses("spec.externalIPs", spec.external_ips.as_deref(), told);
    let kind = spec.type_.as_deref().unwrap_or_default();
    let balanced = kind == "LoadBalancer";
    let external = balanced || kind == "NodePort" || !external_ips.is_empty();
    let said_local = is_local("spec.externalTrafficPolicy", spec.external_traffic_policy.as_deref(), told);
    let external_local = said_local && external;
    let labels = object.metadata.labels.as_ref();
    Exposure {
        external_ips,
        load_balancer_ips: load_balancer_ips(object, told),
        source_ranges: source_ranges(object, spec, told),
        affinity: affinity(spec, told),
        internal_local: is_local("spec.internalTrafficPolicy", spec.internal_traffic_policy.as_deref(), told),
        external_local,
        health_check_node_port: health_check_port(spec, told).filter(|_| balanced && external_local),
        other_proxy: labels.is_some_and(|labels| labels.contains_key(OTHER_PROXY)),
    }
}

/// Addresses that packets may arrive with; each once.
fn addresses(field: &str, texts: Option<&[String]>, told: &mut Told<'_>) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for (at, text) in texts.unwrap_or_default().iter().enumerate() {
        let address = usable(&format!("{field}[{at}]"), text, told);
        found.extend(address.filter(|address| !found.contains(address)));
    }
    found
}

/// The addresses of a balancer that leaves the destination of packets as it is.
fn load_balancer_ips(object: &v1::Service, told: &mut Told<'_>) -> Vec<IpAddr> {
    let balancer = object.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let entries = balancer.and_then(|balancer| balancer.ingress.as_deref()).unwrap_or_default();
    let mut found = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let Some(ip) = entry.ip.as_deref().filter(|ip| !ip.is_empty()) else { continue };
        match entry.ip_mode.as_deref() {
            None | Some("VIP") => {}
            Some("Proxy") => continue,
            Some(other) => {
                let message = format!(
                    "ipMode \"{other}\" is unknown, {ip} is not served on the nodes: write VIP or Proxy"
                );
                let field = format!("status.loadBalancer.ingress[{at}].ipMode");
                told.tell(Severity::Warning, "UnknownIpMode", &field, message);
                continue;
            }
        }
        let address = usable(&format!("status.loadBalancer.ingress[{at}].ip"), ip, told);
        found.extend(address.filter(|address| !found.contains(address)));
    }
    found
}

/// An address that a Service can have.
pub(super) fn usable(field: &str, text: &str, told: &mut Told<'_>) -> Option<IpAddr> {
    let Some((address, zeros)) = value::address(text) else {
        let message = format!("\"{text}\" is not an IP address and is ignored: correct or remove it");
        told.tell(Severity::Warning, "InvalidAddress", field, message);
        return None;
    };
    if address.is_unspecified() || address.is_multicast() {
        let message =
            format!("{address} is no address that a Service can have, it is ignored: write another");
        told.tell(Severity::Warning, "InvalidAddress", field, message);
        return None;
    }
    if zeros {
        let message = format!("\"{text}\" is read as {address}: write it without leading zeros");
        told.tell(Severity::Note, "AddressNormalized", field, message);
    }
    Some(address)
}

/// Who may come to the balancer's addresses. Of bad ranges nothing is left: better nobody than everybody.
fn source_ranges(object: &v1::Service, spec: &v1::ServiceSpec, told: &mut Told<'_>) -> Option<Vec<IpNet>> {
    let listed = spec.load_balancer_source_ranges.as_deref().unwrap_or_default();
    let listed = listed.iter().enumerate();
    let listed = listed.map(|(at, text)| (format!("spec.loadBalancerSourceRanges[{at}]"), text.trim()));
    let old = object.metadata.annotations.as_ref().and_then(|all| all.get(SOURCE_RANGES));
    let old = old.map(|text| text.split(',')).into_iter().flatten().map(str::trim);
    let old = old.filter(|text| !text.is_empty());
    let mut texts: Vec<(String, &str)> = listed.collect();
    if texts.is_empty() {
        texts = old.map(|text| (format!("metadata.annotations.{SOURCE_RANGES}"), text)).collect();
    }
    if texts.is_empty() {
        return None;
    }
    let mut ranges = Vec::new();
    for (field, text) in texts {
        if let Some(range) = value::network(text) {
            ranges.push(range);
            continue;
        }
        let message =
            format!("\"{text}\" is not a range, nobody is let in by it: write it like 203.0.113.0/24");
        told.tell(Severity::Warning, "InvalidRange", &field, message);
    }
    ranges.sort();
    ranges.dedup();
    Some(ranges)
}

fn affinity(spec: &v1::ServiceSpec, told: &mut Told<'_>) -> Option<u32> {
    match spec.session_affinity.as_deref() {
        None | Some("" | "None") => return None,
        Some("ClientIP") => {}
        Some(other) => {
            let message =
                format!("sessionAffinity \"{other}\" is unknown and ignored: write ClientIP or None");
            told.tell(Severity::Warning, "UnknownAffinity", "spec.sessionAffinity", message);
            return None;
        }
    }
    let client = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
    let Some(asked) = client.and_then(|client| client.timeout_seconds) else { return Some(AFFINITY.0) };
    let fine = u32::try_from(asked).ok().filter(|seconds| (1..=AFFINITY.1).contains(seconds));
    if fine.is_none() {
        let message =
            format!("{asked} seconds are not possible, {} are used: write 1 to {}", AFFINITY.0, AFFINITY.1);
        let field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
        told.tell(Severity::Warning, "InvalidTimeout", field, message);
    }
    Some(fine.unwrap_or(AFFINITY.0))
}

/// Whether a traffic policy is Local.
fn is_local(field: &str, policy: Option<&str>, told: &mut Told<'_>) -> bool {
    match policy {
        None | Some("" | "Cluster") => false,
        Some("Local") => true,
        Some(other) => {
            let message = format!("\"{other}\" is unknown, Cluster is used: write Cluster or Local");
            told.tell(Severity::Warning, "UnknownTrafficPolicy", field, message);
            false
        }
    }
}

fn health_check_port(spec: &v1::ServiceSpec, told: &mut Told<'_>) -> Option<u16> {
    let asked = spec.health_check_node_port.filter(|port| *port != 0)?;
    let port = u16::try_from(asked).ok();
    if port.is_none() {
        let message = format!("healthCheckNodePort {asked} is ignored: write a number from 1 to 65535");
        told.tell(Severity::Warning, "InvalidPort", "spec.healthCheckNodePort", message);
    }
    port
}
