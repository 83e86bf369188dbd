//! What users notice: affinity, zones, health checks, the node itself; and that chains do not grow with the cluster.

use slipway::l4::desired::{Stale, stale_clients};
use slipway::model::service::Endpoint;
use slipway::model::{Key, Severity};

use crate::cluster::*;
use crate::tracer::Tracer;

fn three() -> Vec<Endpoint> {
    (1..=3).map(|last| endpoint(&format!("10.244.0.{last}"), "here")).collect()
}

#[test]
fn a_client_keeps_its_endpoint_and_is_spread_again_when_affinity_is_off() {
    let mut web = service("web", &[V4.cluster_ip]);
    web.ports[0].node_port = Some(30080);
    web.exposure.affinity = Some(10_800);
    let mut cluster = Cluster::new();
    cluster.add(web.clone()).endpoints([slice("web", 0, three())]);
    let mut tracer = cluster.tracer();
    for (source, address, port) in [
        (V4.pod, V4.cluster_ip, 80),
        (V4.outside, V4.node, 30080),
        (V4.node, V4.cluster_ip, 80),
        ("10.244.5.5", V4.cluster_ip, 80),
    ] {
        let packet = to_port(packet(source, address), port);
        let first = tracer.send(packet, 1);
        for random in 0..6 {
            assert_eq!(tracer.send(packet, random), first, "{source} -> {address}");
        }
        assert_eq!(trace(&tracer, packet), word(first));
    }
    // Another client is free to get another one.
    assert_eq!(trace(&tracer, packet("10.244.6.6", V4.cluster_ip)), "10.244.0.1 10.244.0.2 10.244.0.3");
    web.exposure.affinity = None;
    cluster.add(web);
    tracer.load(&cluster.desired().ruleset);
    assert_eq!(trace(&tracer, packet(V4.pod, V4.cluster_ip)), "10.244.0.1 10.244.0.2 10.244.0.3");
}

#[test]
fn clients_are_forgotten_that_must_not_go_on() {
    let mut web = service("web", &[V4.cluster_ip]);
    web.exposure.external_ips = vec![ip(V4.external)];
    web.exposure.affinity = Some(60);
    let mut cluster = Cluster::new();
    cluster.add(web.clone()).endpoints([slice("web", 0, three())]);
    let first = cluster.desired();
    assert!(stale_clients(&first, &first).is_empty());
    let say = |stale: Vec<Stale>| {
        let word = |it: &Stale| {
            let target = it.target.map_or("all".into(), |target| target.address.to_string());
            format!("{} {target}", it.frontend.address)
        };
        stale.iter().map(word).collect::<Vec<_>>()
    };
    cluster.endpoints([slice("web", 0, three()[1..].to_vec())]);
    let left = cluster.desired();
    assert_eq!(say(stale_clients(&first, &left)), ["10.96.0.10 10.244.0.1", "198.51.100.2 10.244.0.1"]);
    web.exposure.external_local = true;
    cluster.add(web.clone());
    assert_eq!(say(stale_clients(&left, &cluster.desired())), ["198.51.100.2 all"]);
    web.exposure.affinity = None;
    cluster.add(web);
    let off = cluster.desired();
    assert_eq!(say(stale_clients(&left, &off)), ["10.96.0.10 all", "198.51.100.2 all"]);
    assert!(stale_clients(&off, &left).is_empty());
}

#[test]
fn three_zones_endpoints_in_two() {
    let ends = [("10.244.0.1", "a"), ("10.244.0.2", "a"), ("10.244.0.3", "b")];
    let ends = ends.map(|(address, zone)| hinted(endpoint(address, "far"), &[zone], &[]));
    let mut cluster = Cluster::new();
    cluster.add(service("web", &[V4.cluster_ip])).endpoints([slice("web", 0, ends.into())]);
    for (zone, wanted) in
        [("a", "10.244.0.1 10.244.0.2"), ("b", "10.244.0.3"), ("c", "10.244.0.1 10.244.0.2 10.244.0.3")]
    {
        cluster.node(|node| node.zone = Some(zone.into()));
        assert_eq!(trace(&cluster.tracer(), packet(V4.pod, V4.cluster_ip)), wanted, "{zone}");
    }
}

#[test]
fn a_server_on_the_nodes_own_address_is_reached() {
    let mut web = service("web", &[V4.cluster_ip]);
    web.ports[0].node_port = Some(30080);
    web.exposure.affinity = Some(60);
    let mut cluster = Cluster::new();
    cluster.add(web).endpoints([slice("web", 0, vec![endpoint(V4.node, "here")])]);
    let mut tracer = cluster.tracer();
    assert_eq!(trace(&tracer, packet(V4.pod, V4.cluster_ip)), V4.node);
    assert_eq!(trace(&tracer, packet(V4.node, V4.cluster_ip)), format!("{}*", V4.node));
    // It never leaves, so its source needs not be replaced; it is remembered all the same.
    assert_eq!(word(tracer.send(to_port(packet(V4.outside, V4.node), 30080), 0)), V4.node);
    assert_eq!(tracer.affinity.len(), 1);
}

#[test]
fn health_checks_count_ready_endpoints_here() {
    let balanced = |name: &str, port: u16, created: i64| {
        let mut web = service(name, &[V4.cluster_ip]);
        web.cluster_ips = vec![ip(&format!("10.96.0.{created}"))];
        web.created = Some(created);
        web.exposure.external_local = true;
        web.exposure.load_balancer_ips = vec![ip(&format!("198.51.100.{created}"))];
        web.exposure.health_check_node_port = Some(port);
        web
    };
    let mut cluster = Cluster::new();
    let ends = vec![
        endpoint("10.244.0.1", "here"),
        endpoint("10.244.0.2", "here"),
        terminating(endpoint("10.244.0.3", "here")),
        unready(endpoint("10.244.0.4", "here")),
        endpoint("10.244.0.5", "far"),
    ];
    cluster.endpoints([slice("web", 0, ends.clone()), slice("web", 1, ends)]);
    cluster.add(balanced("web", 32000, 7)).add(balanced("late", 32000, 8)).add(balanced("none", 31999, 9));
    let mut inside = balanced("inside", 31000, 10);
    inside.exposure.external_local = false;
    let desired = cluster.add(inside).desired();
    let checks: Vec<_> = desired.health_checks.iter().map(|it| (it.port, it.local_endpoints)).collect();
    assert_eq!(checks, [(31999, 0), (32000, 2)]);
    assert_eq!(desired.health_checks[1].service, Key::new("default", "web"));
    let told: Vec<_> = desired.reports.iter().map(|it| (it.reason, it.object.key.name.to_string())).collect();
    assert_eq!(told, [("HealthCheckPortTaken", "late".to_owned())]);
}

#[test]
fn a_node_that_goes_is_not_fit_for_traffic_from_outside() {
    let mut cluster = Cluster::new();
    assert!(cluster.desired().node_eligible);
    cluster.node(|node| node.deleting = true);
    assert!(!cluster.desired().node_eligible);
    cluster.node(|node| node.leaving = true);
    assert!(!cluster.desired().node_eligible);
}

#[test]
fn an_unknown_node_answers_no_node_ports_and_says_so() {
    let mut web = service("web", &[V4.cluster_ip]);
    web.ports[0].node_port = Some(30080);
    let mut cluster = Cluster::new();
    cluster.add(web).endpoints([slice("web", 0, vec![endpoint(V4.here, "here")])]);
    cluster.snapshot.nodes.remove("here");
    let tracer = cluster.tracer();
    assert_eq!(trace(&tracer, to_port(packet(V4.outside, V4.node), 30080)), "untouched");
    assert_eq!(trace(&tracer, packet(V4.pod, V4.cluster_ip)), V4.here);
    let desired = cluster.desired();
    let report = &desired.reports[0];
    assert_eq!((report.reason, report.severity), ("NodeNotFound", Severity::Warning));
    assert!(report.to_string().contains("Node here"), "{report}");
    assert!(desired.node_eligible);
}

#[test]
fn ports_without_endpoints_here_are_counted() {
    let mut web = service("web", &[V4.cluster_ip, V6.cluster_ip]);
    web.ports[0].node_port = Some(30080);
    web.exposure.external_local = true;
    web.exposure.internal_local = true;
    let mut cluster = Cluster::new();
    cluster.add(web).endpoints([slice("web", 0, vec![endpoint(V4.there, "there")])]);
    let desired = cluster.desired();
    use slipway::l4::ruleset::Family;
    assert_eq!(desired.without_local_endpoints(Family::Ip), (1, 1));
    assert_eq!(desired.without_local_endpoints(Family::Ip6), (0, 0));
}

#[test]
fn chains_do_not_grow_with_services() {
    let chains = |services: u32| {
        let mut cluster = Cluster::new();
        for number in 0..services {
            let name = format!("svc-{number}");
            let address = format!("10.96.{}.{}", 1 + number / 200, 1 + number % 200);
            let mut web = service(&name, &[&address]);
            web.ports[0].node_port = Some(20_000 + u16::try_from(number).unwrap());
            web.exposure.affinity = number.is_multiple_of(2).then_some(60);
            web.exposure.external_local = number.is_multiple_of(3);
            cluster.add(web).endpoints([slice(&name, 0, three())]);
        }
        let ruleset = cluster.desired().ruleset;
        Tracer::new(&ruleset, &[]);
        (ruleset.chains.len(), ruleset.sets.len(), ruleset.groups.len())
    };
    let (few, many) = (chains(10), chains(1000));
    assert_eq!((few.0, few.1), (many.0, many.1));
    assert_eq!((few.2, many.2), (10, 1000));
}
