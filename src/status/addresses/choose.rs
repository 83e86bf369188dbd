//! Which addresses a Service, a node and the pods on it stand for, as ingress-nginx has it. No I/O.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Node, Pod, Service};

use crate::model::status::Address;

/// Labels that say which program a pod runs, whatever else it is labelled with.
const PROGRAM: [&str; 3] =
    ["app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"];

/// Labels that differ from one generation of pods to the next.
const GENERATION: [&str; 3] = ["pod-template-hash", "controller-revision-hash", "pod-template-generation"];

/// An address as the API has it: an IP address, or else a host name.
pub(super) fn address(text: &str) -> Address {
    match text.parse::<IpAddr>() {
        Ok(ip) => Address::Ip(ip.to_string().into()),
        Err(_) => Address::Hostname(text.into()),
    }
}

/// Where a Service is reached: through its balancer and external addresses, else inside of the cluster.
pub(super) fn of_service(service: &Service) -> Vec<Address> {
    let Some(spec) = &service.spec else { return Vec::new() };
    let kind = spec.type_.as_deref().unwrap_or("ClusterIP");
    if kind == "ExternalName" {
        return spec.external_name.iter().map(|name| Address::Hostname(name.as_str().into())).collect();
    }
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let points = balancer.and_then(|balancer| balancer.ingress.as_deref()).unwrap_or_default();
    let names = points.iter().filter_map(|point| point.ip.as_ref().or(point.hostname.as_ref()));
    let mut found: Vec<Address> = names.map(|name| address(name)).collect();
    found.extend(spec.external_ips.iter().flatten().map(|ip| address(ip)));
    if found.is_empty() && kind != "LoadBalancer" {
        let cluster = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
        found.extend(cluster.filter(|ip| !ip.is_empty() && *ip != "None").map(|ip| address(ip)));
    }
    found
}

/// Where a node is reached: at its first external address of each family, else at its internal ones.
pub(super) fn of_node(node: &Node, internal: bool) -> Vec<Address> {
    let all = node.status.as_ref().and_then(|status| status.addresses.as_deref()).unwrap_or_default();
    let first = |kind: &str| {
        let ips = all.iter().filter(|address| address.type_ == kind);
        let ips: Vec<IpAddr> = ips.filter_map(|address| address.address.parse().ok()).collect();
        let four = ips.iter().find(|ip| ip.is_ipv4());
        let six = ips.iter().find(|ip| ip.is_ipv6());
        four.into_iter().chain(six).map(|ip| Address::Ip(ip.to_string().into())).collect::<Vec<_>>()
    };
    let external = if internal { Vec::new() } else { first("ExternalIP") };
    if external.is_empty() { first("InternalIP") } else { external }
}

/// Selects the pods that run the same program as the one with these labels; `None` when they say nothing.
pub(super) fn siblings(labels: &BTreeMap<String, String>) -> Option<String> {
    let program = labels.keys().any(|key| *key == PROGRAM[0] || *key == PROGRAM[1]);
    let telling = |key: &str| if program { PROGRAM.contains(&key) } else { !GENERATION.contains(&key) };
    let pairs = labels.iter().filter(|(key, _)| telling(key));
    let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
    (!pairs.is_empty()).then(|| pairs.join(","))
}

/// Whether a pod takes requests: it runs, is ready and is not about to end.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    is_alive(pod) && conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// Whether a pod runs, or is about to, and is not to end. One that is still to start counts: where pods are replaced one
/// by one, the next is there already when the last of the old ones ends.
pub(super) fn is_alive(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn texts(addresses: Vec<Address>) -> Vec<String> {
        let text = |address| match address {
            Address::Ip(ip) => ip.to_string(),
            Address::Hostname(name) => format!("name:{name}"),
        };
        addresses.into_iter().map(text).collect()
    }

    #[test]
    fn a_service_stands_for_its_balancer_external_or_cluster_addresses() {
        let points = |points: Value| json!({"loadBalancer": {"ingress": points}});
        let none = json!({});
        let table: [(Value, Value, &[&str]); 10] = [
            (json!({"type": "LoadBalancer"}), points(json!([{"ip": "192.0.2.1"}])), &["192.0.2.1"]),
            (
                json!({"type": "LoadBalancer"}),
                points(json!([{"hostname": "lb.example"}])),
                &["name:lb.example"],
            ),
            (
                json!({"type": "LoadBalancer", "externalIPs": ["192.0.2.9"]}),
                points(json!([{"ip": "192.0.2.1"}])),
                &["192.0.2.1", "192.0.2.9"],
            ),
            (json!({"type": "LoadBalancer", "clusterIP": "10.96.0.1"}), none.clone(), &[]),
            (
                json!({"type": "NodePort", "clusterIP": "10.96.0.1", "externalIPs": ["192.0.2.9"]}),
                none.clone(),
                &["192.0.2.9"],
            ),
            (json!({"type": "NodePort", "clusterIP": "10.96.0.1"}), none.clone(), &["10.96.0.1"]),
            (json!({"clusterIP": "10.96.0.1"}), none.clone(), &["10.96.0.1"]),
            (
                json!({"type": "ClusterIP", "clusterIPs": ["10.96.0.1", "2001:db8::0:1"]}),
                none.clone(),
                &["10.96.0.1", "2001:db8::1"],
            ),
            (json!({"type": "ClusterIP", "clusterIP": "None"}), none.clone(), &[]),
            (json!({"type": "ExternalName", "externalName": "a.example"}), none, &["name:a.example"]),
        ];
        for (spec, status, expected) in table {
            let text = spec.to_string();
            let service = from_value(json!({"metadata": {}, "spec": spec, "status": status})).unwrap();
            assert_eq!(texts(of_service(&service)), expected, "{text}");
        }
    }

    #[test]
    fn a_node_stands_for_its_external_else_internal_address() {
        type Row = ([(&'static str, &'static str); 3], bool, &'static [&'static str]);
        let both = [("InternalIP", "10.0.0.1"), ("ExternalIP", "192.0.2.1"), ("Hostname", "one")];
        let inside = [("Hostname", "one"), ("InternalIP", "10.0.0.1"), ("InternalIP", "10.0.0.2")];
        let two = [("InternalIP", "10.0.0.1"), ("InternalIP", "fd00::0:1"), ("Hostname", "x")];
        let table: [Row; 4] = [
            (both, false, &["192.0.2.1"]),
            (both, true, &["10.0.0.1"]),
            (inside, false, &["10.0.0.1"]),
            (two, false, &["10.0.0.1", "fd00::1"]),
        ];
        for (addresses, internal, expected) in table {
            let list = addresses.map(|(kind, address)| json!({"type": kind, "address": address}));
            let node = from_value(json!({"metadata": {}, "status": {"addresses": list}})).unwrap();
            assert_eq!(texts(of_node(&node, internal)), expected, "{addresses:?}");
        }
    }

    #[test]
    fn siblings_are_known_by_the_labels_that_outlive_a_rollout() {
        type Row<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);
        let name = ("app.kubernetes.io/name", "slipway");
        let instance = ("app.kubernetes.io/instance", "edge");
        let hash = ("pod-template-hash", "5d4f");
        let table: [Row<'_>; 4] = [
            (
                &[name, instance, hash, ("app.kubernetes.io/version", "1.0")],
                Some("app.kubernetes.io/instance=edge,app.kubernetes.io/name=slipway"),
            ),
            (&[("app", "web"), ("tier", "edge"), hash], Some("app=web,tier=edge")),
            (&[hash], None),
            (&[], None),
        ];
        for (labels, expected) in table {
            let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(siblings(&labels).as_deref(), expected);
        }
    }

    #[test]
    fn only_a_ready_pod_that_is_to_stay_counts() {
        let pod = |phase: &str, ready: &str, deleted: bool| {
            let conditions = json!([{"type": "Ready", "status": ready}]);
            let mut pod = json!({"metadata": {}, "status": {"phase": phase, "conditions": conditions}});
            if deleted {
                pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
            }
            let pod = from_value(pod).unwrap();
            (is_alive(&pod), is_ready(&pod))
        };
        assert_eq!(pod("Running", "True", false), (true, true));
        assert_eq!(pod("Running", "False", false), (true, false));
        assert_eq!(pod("Running", "True", true), (false, false));
        assert_eq!(pod("Succeeded", "False", false), (false, false));
        assert_eq!(pod("Pending", "False", false), (true, false));
    }
}
