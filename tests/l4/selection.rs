//! Which endpoints are chosen: the rules of endpoint selection, one table.

use slipway::model::service::{Endpoint, ServiceKind};
use slipway::model::{Kind, ObjectRef};

use crate::cluster::*;

fn e(last: u8, node: &str) -> Endpoint {
    endpoint(&format!("10.244.0.{last}"), node)
}

/// The endpoints that pods get through the ClusterIP, and that outside gets through the NodePort, by their last numbers.
fn chosen(cluster: &Cluster) -> (String, String) {
    let tracer = cluster.tracer();
    let short = |text: String| text.replace("10.244.0.", "").replace('*', "");
    let pod = short(trace(&tracer, packet("10.244.77.7", V4.cluster_ip)));
    (pod, short(trace(&tracer, to_port(packet(V4.outside, V4.node), 30080))))
}

struct Case {
    what: &'static str,
    internal_local: bool,
    external_local: bool,
    endpoints: Vec<Endpoint>,
    pod: &'static str,
    outside: &'static str,
}

fn check(cases: Vec<Case>) {
    for case in cases {
        let mut web = service("web", &[V4.cluster_ip]);
        web.ports[0].node_port = Some(30080);
        web.exposure.internal_local = case.internal_local;
        web.exposure.external_local = case.external_local;
        let mut cluster = Cluster::new();
        cluster.add(web).endpoints([slice("web", 0, case.endpoints)]);
        let (pod, outside) = chosen(&cluster);
        assert_eq!((pod.as_str(), outside.as_str()), (case.pod, case.outside), "{}", case.what);
    }
}

fn cluster_case(what: &'static str, endpoints: Vec<Endpoint>, both: &'static str) -> Case {
    Case { what, internal_local: false, external_local: false, endpoints, pod: both, outside: both }
}

#[test]
fn ready_ones_else_those_that_still_serve() {
    let gone = |last, node| Endpoint { serving: false, ..terminating(e(last, node)) };
    check(vec![
        cluster_case("ready before terminating", vec![e(1, "here"), terminating(e(2, "here"))], "1"),
        cluster_case("terminating only", vec![terminating(e(1, "here")), terminating(e(2, "far"))], "1 2"),
        cluster_case("one that no longer serves", vec![gone(1, "here"), terminating(e(2, "far"))], "2"),
        cluster_case("none that serves", vec![gone(1, "here"), unready(e(2, "far"))], "rejected"),
    ]);
}

#[test]
fn the_local_set_is_chosen_for_itself() {
    let local = |what, internal_local, external_local, endpoints, pod, outside| Case {
        what,
        internal_local,
        external_local,
        endpoints,
        pod,
        outside,
    };
    let here_leaves = || vec![terminating(e(1, "here")), e(2, "far")];
    check(vec![
        local("external: terminating here, ready elsewhere", false, true, here_leaves(), "2", "1"),
        local("internal: terminating here, ready elsewhere", true, false, here_leaves(), "1", "2"),
        local("both", true, true, here_leaves(), "1", "1"),
        local("internal: only elsewhere", true, false, vec![e(2, "far")], "dropped", "2"),
        local("external: only elsewhere", false, true, vec![e(2, "far")], "2", "dropped"),
        local("terminating elsewhere only", true, true, vec![terminating(e(2, "far"))], "dropped", "dropped"),
        local(
            "unready here, ready elsewhere",
            false,
            true,
            vec![unready(e(1, "here")), e(2, "far")],
            "2",
            "dropped",
        ),
        local(
            "no node named",
            true,
            true,
            vec![Endpoint { topology: None, ..e(1, "") }],
            "dropped",
            "dropped",
        ),
        local(
            "hints do not narrow the local set",
            true,
            true,
            vec![hinted(e(1, "here"), &["b"], &["far"]), hinted(e(2, "here"), &["a"], &["here"])],
            "1 2",
            "1 2",
        ),
    ]);
}

#[test]
fn hints_narrow_the_cluster_set_and_fail_open() {
    let zone = |last, zones: &[&str]| hinted(e(last, "far"), zones, &[]);
    let node = |last, nodes: &[&str]| hinted(e(last, "far"), &[], nodes);
    check(vec![
        cluster_case("our zone", vec![zone(1, &["a"]), zone(2, &["b"])], "1"),
        cluster_case("several zones each", vec![zone(1, &["b", "a"]), zone(2, &["b"])], "1"),
        cluster_case("nobody for our zone", vec![zone(1, &["b"]), zone(2, &["c"])], "1 2"),
        cluster_case("one without a hint", vec![zone(1, &["a"]), e(2, "far")], "1 2"),
        cluster_case(
            "an unready one without a hint",
            vec![zone(1, &["a"]), zone(2, &["b"]), unready(e(3, "far"))],
            "1",
        ),
        cluster_case("an unready one for our zone", vec![unready(zone(1, &["a"])), zone(2, &["b"])], "2"),
        cluster_case(
            "a leaving one has no say",
            vec![terminating(e(1, "far")), zone(2, &["a"]), zone(3, &["b"])],
            "2",
        ),
        cluster_case(
            "leaving ones are not narrowed",
            vec![terminating(zone(1, &["a"])), terminating(zone(2, &["b"]))],
            "1 2",
        ),
        cluster_case("our node", vec![node(1, &["here"]), node(2, &["far"])], "1"),
        cluster_case("nobody for our node", vec![node(1, &["far"]), node(2, &["far"])], "1 2"),
        cluster_case(
            "node before zone",
            vec![hinted(e(1, "far"), &["b"], &["here"]), hinted(e(2, "far"), &["a"], &["far"])],
            "1",
        ),
        cluster_case(
            "zone when a node hint is missing",
            vec![hinted(e(1, "far"), &["b"], &["here"]), zone(2, &["a"])],
            "2",
        ),
        cluster_case(
            "zone when no node hint is for us",
            vec![hinted(e(1, "far"), &["a"], &["far"]), hinted(e(2, "far"), &["b"], &["far"])],
            "1",
        ),
    ]);
}

#[test]
fn without_a_zone_there_are_no_zone_hints() {
    let mut cluster = Cluster::new();
    cluster.add(service("web", &[V4.cluster_ip]));
    cluster.endpoints([slice(
        "web",
        0,
        vec![hinted(e(1, "far"), &["a"], &[]), hinted(e(2, "far"), &["b"], &[])],
    )]);
    for (zone, wanted) in
        [(Some("a"), "1"), (Some("b"), "2"), (Some("c"), "1 2"), (None, "1 2"), (Some(""), "1 2")]
    {
        cluster.node(|node| node.zone = zone.map(Into::into));
        assert_eq!(chosen(&cluster).0, wanted, "{zone:?}");
    }
}

#[test]
fn the_external_policy_counts_only_where_something_is_external() {
    let mut web = service("web", &[V4.cluster_ip]);
    web.exposure.external_local = true;
    let mut cluster = Cluster::new();
    cluster.add(web).endpoints([slice("web", 0, vec![e(1, "far")])]);
    assert_eq!(chosen(&cluster).0, "1");
    let key = slipway::model::Key::new("default", "web");
    let proxied = &cluster.desired().services[&key][0];
    assert!(!proxied.external_local && proxied.local.is_empty());
}

#[test]
fn a_service_inside_only_with_policy_local_has_no_cluster_set() {
    let mut web = service("web", &[V4.cluster_ip]);
    web.exposure.internal_local = true;
    let mut cluster = Cluster::new();
    cluster.add(web).endpoints([slice("web", 0, vec![e(1, "far"), e(2, "here")])]);
    let desired = cluster.desired();
    let proxied = &desired.services.values().next().unwrap()[0];
    assert_eq!((proxied.cluster.len(), proxied.local.len()), (0, 1));
    assert!(!desired.ruleset.to_string().contains("10.244.0.1 . 8080"));
}

#[test]
fn unready_ones_that_are_published_are_used_like_ready_ones() {
    let mut web = service("web", &[V4.cluster_ip]);
    web.publish_not_ready = true;
    let mut cluster = Cluster::new();
    cluster.add(web.clone()).endpoints([slice("web", 0, vec![unready(e(1, "far")), e(2, "far")])]);
    assert_eq!(chosen(&cluster).0, "1 2");
    // Nobody at all: refused.
    cluster.endpoints([slice("web", 0, Vec::new())]);
    assert_eq!(chosen(&cluster).0, "rejected");
}

#[test]
fn ports_find_each_other_by_name_and_protocol() {
    let mut dns = service("dns", &[V4.cluster_ip]);
    dns.ports = vec![port("dns", 53, None), port("dns-tcp", 53, None), port("metrics", 9153, None)];
    dns.ports[0].protocol = slipway::model::service::Protocol::Udp;
    let mut set = slice("dns", 0, vec![e(1, "far")]);
    set.ports.clear();
    for (name, protocol, number) in [
        ("dns", slipway::model::service::Protocol::Udp, 1053),
        ("dns-tcp", slipway::model::service::Protocol::Tcp, 2053),
        ("metrics", slipway::model::service::Protocol::Udp, 9153),
    ] {
        let port = slipway::model::service::EndpointPort { name: name.into(), protocol, port: number };
        set.ports.push(port);
    }
    let mut cluster = Cluster::new();
    cluster.add(dns).endpoints([set]);
    let desired = cluster.desired();
    let ports = &desired.services.values().next().unwrap();
    let found: Vec<_> =
        ports.iter().map(|port| (&*port.port, port.cluster.first().map(|it| it.port))).collect();
    assert_eq!(found, [("dns", Some(1053)), ("dns-tcp", Some(2053)), ("metrics", None)]);
}

#[test]
fn the_same_endpoint_in_two_slices_counts_once_and_the_better_word_counts() {
    let mut cluster = Cluster::new();
    cluster.add(service("web", &[V4.cluster_ip]));
    let sets = [unready(e(1, "far")), e(1, "far"), terminating(e(1, "far"))];
    cluster.endpoints(sets.into_iter().enumerate().map(|(at, end)| slice("web", at, vec![end])));
    assert_eq!(chosen(&cluster).0, "1");
    assert!(cluster.desired().ruleset.to_string().contains("goto pick-1"));
}

#[test]
fn what_is_made_by_hand_is_served_and_may_be_anywhere() {
    let mut cluster = Cluster::new();
    cluster.add(service("database", &[V4.cluster_ip]));
    let mut set = slice("database", 0, vec![Endpoint { topology: None, ..endpoint("203.0.113.5", "") }]);
    set.object = ObjectRef::new(Kind::Endpoints, "default", "database");
    cluster.endpoints([set]);
    let tracer = cluster.tracer();
    assert_eq!(trace(&tracer, packet(V4.pod, V4.cluster_ip)), "203.0.113.5");
    assert_eq!(trace(&tracer, packet("203.0.113.5", V4.cluster_ip)), "203.0.113.5*");
}

#[test]
fn headless_and_external_names_and_others_services_are_not_proxied() {
    let mut cluster = Cluster::new();
    let kinds = [ServiceKind::Headless, ServiceKind::ExternalName("example.com".into())];
    for (at, kind) in kinds.into_iter().enumerate() {
        let mut other = service(&format!("svc-{at}"), &[]);
        other.kind = kind;
        cluster.add(other).endpoints([slice(&format!("svc-{at}"), 0, vec![e(1, "here")])]);
    }
    let mut elsewhere = service("elsewhere", &[V4.cluster_ip]);
    elsewhere.exposure.other_proxy = true;
    cluster.add(elsewhere).add(service("pending", &[]));
    let desired = cluster.desired();
    assert!(desired.services.is_empty() && desired.ruleset.groups.is_empty());
    assert_eq!(desired.ruleset.len(), 6, "the ranges of both families and nothing else");
    assert_eq!(trace(&cluster.tracer(), packet(V4.pod, V4.cluster_ip)), "dropped");
}
