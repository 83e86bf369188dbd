use serde_json::{Value, json};

use super::*;

/// A Service with this spec, and what else there is to say; with the fields of its reports.
fn read(spec: &Value, more: &Value) -> (Service, Vec<String>) {
    let mut object = json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": spec});
    for (field, value) in more.as_object().unwrap() {
        match field.as_str() {
            "status" => object["status"] = value.clone(),
            _ => object["metadata"][field] = value.clone(),
        }
    }
    let object = serde_json::from_value(object).unwrap();
    let (service, reports) = service(&object, None).unwrap();
    (service, reports.into_iter().filter_map(|report| report.field).collect())
}

fn exposure(spec: &Value) -> Exposure {
    let (service, told) = read(spec, &json!({}));
    assert_eq!(told, [""; 0]);
    service.exposure
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_service_knows_when_it_was_created_and_its_node_ports() {
    let ports = json!([{"port": 80, "nodePort": 30080}, {"port": 81, "nodePort": 0}, {"port": 82}]);
    let created = json!({"creationTimestamp": "2026-01-02T03:04:05Z"});
    let (service, told) = read(&json!({"type": "NodePort", "ports": ports}), &created);
    assert_eq!((service.created, told.len()), (Some(1_767_323_045), 0));
    let ports: Vec<_> = service.ports.iter().map(|port| port.node_port).collect();
    assert_eq!(ports, [Some(30080), None, None]);
}

#[test]
fn a_bad_node_port_does_not_take_the_port_with_it() {
    let ports = json!([{"port": 80, "nodePort": 70000}, {"port": 81, "nodePort": 30081}]);
    let (service, told) = read(&json!({"type": "LoadBalancer", "ports": ports}), &json!({}));
    assert_eq!(told, ["spec.ports[0].nodePort"]);
    let ports: Vec<_> = service.ports.iter().map(|port| (port.port, port.node_port)).collect();
    assert_eq!(ports, [(80, None), (81, Some(30081))]);
    let (service, told) = read(&json!({"ports": [{"port": 80, "nodePort": 30080}]}), &json!({}));
    assert_eq!((service.ports[0].node_port, told.len()), (None, 1), "type ClusterIP has none");
}

#[test]
fn external_ips_are_kept_where_they_are_addresses() {
    let texts =
        ["192.0.2.1", "2001:db8::1", "nonsense", "192.000.2.007", "0.0.0.0", "224.0.0.1", "192.0.2.1"];
    let (service, told) = read(&json!({"externalIPs": texts}), &json!({}));
    assert_eq!(service.exposure.external_ips, ips(&["192.0.2.1", "2001:db8::1", "192.0.2.7"]));
    let at = |at: usize| format!("spec.externalIPs[{at}]");
    assert_eq!(told, [at(2), at(3), at(4), at(5)]);
}

#[test]
fn the_addresses_of_a_balancer_count_unless_it_is_a_proxy() {
    let ingress = json!([
        {"ip": "192.0.2.1"},
        {"ip": "192.0.2.2", "ipMode": "VIP"},
        {"ip": "192.0.2.3", "ipMode": "Proxy"},
        {"hostname": "lb.example"},
        {"ip": "2001:db8::1"},
        {"ip": "lb.example"},
        {"ip": "192.0.2.4", "ipMode": "vip"},
    ]);
    let status = json!({"status": {"loadBalancer": {"ingress": ingress}}});
    let (service, told) = read(&json!({"type": "LoadBalancer"}), &status);
    assert_eq!(service.exposure.load_balancer_ips, ips(&["192.0.2.1", "192.0.2.2", "2001:db8::1"]));
    assert_eq!(told, ["status.loadBalancer.ingress[5].ip", "status.loadBalancer.ingress[6].ipMode"]);
}

#[test]
fn source_ranges_come_from_the_spec_else_from_the_old_annotation() {
    let old =
        |text: &str| json!({"annotations": {"service.beta.kubernetes.io/load-balancer-source-ranges": text}});
    let ranges = |spec: &Value, more: &Value| {
        let (service, told) = read(spec, more);
        let ranges = service.exposure.source_ranges;
        (ranges.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>()), told.len())
    };
    let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    let spec = json!({"loadBalancerSourceRanges": [" 10.1.2.3/8 ", "2001:db8::/32", "10.0.0.0/8"]});
    assert_eq!(ranges(&spec, &old("192.0.2.0/24")), (texts(&["10.0.0.0/8", "2001:db8::/32"]), 0));
    assert_eq!(
        ranges(&json!({}), &old("192.0.2.0/24, 10.0.0.0/8")).0,
        texts(&["10.0.0.0/8", "192.0.2.0/24"])
    );
    assert_eq!(ranges(&json!({"loadBalancerSourceRanges": []}), &old(" ")), (None, 0), "everybody");
    let spec = json!({"loadBalancerSourceRanges": ["office"]});
    assert_eq!(ranges(&spec, &json!({})), (texts(&[]), 1), "nobody, rather than everybody");
}

#[test]
fn session_affinity_has_the_documented_default_and_bounds() {
    let sticky = |config: Value| {
        read(&json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": config}), &json!({}))
    };
    for (config, seconds, reports) in [
        (json!(null), 10_800, 0),
        (json!({"clientIP": {}}), 10_800, 0),
        (json!({"clientIP": {"timeoutSeconds": 5}}), 5, 0),
        (json!({"clientIP": {"timeoutSeconds": 86_400}}), 86_400, 0),
        (json!({"clientIP": {"timeoutSeconds": 0}}), 10_800, 1),
        (json!({"clientIP": {"timeoutSeconds": 86_401}}), 10_800, 1),
        (json!({"clientIP": {"timeoutSeconds": -1}}), 10_800, 1),
    ] {
        let (service, told) = sticky(config.clone());
        assert_eq!((service.exposure.affinity, told.len()), (Some(seconds), reports), "{config}");
    }
    assert_eq!(exposure(&json!({"sessionAffinity": "None"})).affinity, None);
    let (service, told) = read(&json!({"sessionAffinity": "Cookie"}), &json!({}));
    assert_eq!((service.exposure.affinity, told.len()), (None, 1));
}

#[test]
fn the_external_policy_counts_only_where_there_is_a_way_in() {
    let local = |mut spec: Value| {
        spec["externalTrafficPolicy"] = json!("Local");
        spec["healthCheckNodePort"] = json!(32000);
        let exposure = exposure(&spec);
        (exposure.external_local, exposure.health_check_node_port)
    };
    assert_eq!(local(json!({"type": "ClusterIP"})), (false, None));
    assert_eq!(local(json!({"type": "ClusterIP", "externalIPs": ["192.0.2.1"]})), (true, None));
    assert_eq!(local(json!({"type": "NodePort"})), (true, None));
    assert_eq!(local(json!({"type": "LoadBalancer"})), (true, Some(32000)));
    let balanced = json!({"type": "LoadBalancer", "healthCheckNodePort": 32000});
    assert_eq!(exposure(&balanced).health_check_node_port, None, "policy Cluster has none");
    assert!(exposure(&json!({"internalTrafficPolicy": "Local"})).internal_local);
}

#[test]
fn bad_policies_and_ports_are_told_and_the_default_is_used() {
    let spec = json!({
        "type": "LoadBalancer", "externalTrafficPolicy": "Local", "internalTrafficPolicy": "local",
        "healthCheckNodePort": 99_999,
    });
    let (service, told) = read(&spec, &json!({}));
    assert_eq!(told, ["spec.internalTrafficPolicy", "spec.healthCheckNodePort"]);
    assert!(service.exposure.external_local && !service.exposure.internal_local);
    assert_eq!(service.exposure.health_check_node_port, None);
}

#[test]
fn a_service_of_another_proxy_says_so_by_a_label_of_any_value() {
    let labelled = |labels: Value| read(&json!({}), &json!({"labels": labels})).0.exposure.other_proxy;
    assert!(labelled(json!({"service.kubernetes.io/service-proxy-name": "mesh"})));
    assert!(labelled(json!({"service.kubernetes.io/service-proxy-name": ""})));
    assert!(!labelled(json!({"app": "web"})));
}

#[test]
fn what_is_not_proxied_has_no_exposure() {
    for spec in [
        json!({"clusterIP": "None", "externalIPs": ["192.0.2.1"]}),
        json!({"type": "ExternalName", "externalName": "a.example", "externalIPs": ["x"]}),
    ] {
        assert_eq!(exposure(&spec), Exposure::default(), "{spec}");
    }
}
