//! Every row and column of "what a packet must meet", in both families, over each protocol.

use slipway::l4::desired::{NodePorts, Pods};
use slipway::l4::ruleset::Protocol;
use slipway::model::service::{self, Endpoint};

use crate::cluster::*;
use crate::tracer::{Packet, State, Tracer};

/// From, to, and what becomes of it with policy Cluster, externalTrafficPolicy Local, internalTrafficPolicy Local. A star:
/// the source is replaced. `here` and `there` are the endpoints on this node and on another one.
type Row = (&'static str, &'static str, [&'static str; 3]);

const BOTH: &[Row] = &[
    ("pod", "cluster-ip", ["here there", "here there", "here"]),
    ("here", "cluster-ip", ["here* there", "here* there", "here*"]),
    ("node", "cluster-ip", ["here* there*", "here* there*", "here*"]),
    ("outside", "cluster-ip", ["here* there*", "here* there*", "here*"]),
    ("pod", "node-port", ["here* there*", "here there", "here* there*"]),
    ("pod", "balancer", ["here* there*", "here there", "here* there*"]),
    ("pod", "external", ["here* there*", "here there", "here* there*"]),
    ("here", "node-port", ["here* there*", "here* there", "here* there*"]),
    ("here", "balancer", ["here* there*", "here* there", "here* there*"]),
    ("node", "node-port", ["here* there*", "here* there*", "here* there*"]),
    ("node", "balancer", ["here* there*", "here* there*", "here* there*"]),
    ("node", "external", ["here* there*", "here* there*", "here* there*"]),
    ("outside", "node-port", ["here* there*", "here", "here* there*"]),
    ("outside", "balancer", ["here* there*", "here", "here* there*"]),
    ("outside", "external", ["here* there*", "here", "here* there*"]),
    ("pod", "cluster-ip:81", ["rejected", "rejected", "rejected"]),
    ("node", "cluster-ip:81", ["rejected", "rejected", "rejected"]),
    ("outside", "cluster-ip:81", ["rejected", "rejected", "rejected"]),
    ("pod", "unallocated", ["dropped", "dropped", "dropped"]),
    ("node", "unallocated", ["dropped", "dropped", "dropped"]),
    ("outside", "unallocated", ["dropped", "dropped", "dropped"]),
    ("pod", "balancer:81", ["untouched", "untouched", "untouched"]),
    ("outside", "node", ["untouched", "untouched", "untouched"]),
    ("outside", "second-node-port", ["untouched", "untouched", "untouched"]),
];

const ELSEWHERE: &[Row] = &[
    ("pod", "cluster-ip", ["there", "there", "dropped"]),
    ("node", "cluster-ip", ["there*", "there*", "dropped"]),
    ("pod", "node-port", ["there*", "there", "there*"]),
    ("pod", "balancer", ["there*", "there", "there*"]),
    ("node", "node-port", ["there*", "there*", "there*"]),
    ("node", "balancer", ["there*", "there*", "there*"]),
    ("outside", "node-port", ["there*", "dropped", "there*"]),
    ("outside", "balancer", ["there*", "dropped", "there*"]),
    ("outside", "external", ["there*", "dropped", "there*"]),
];

const NOBODY: &[Row] = &[
    ("pod", "cluster-ip", ["rejected", "rejected", "rejected"]),
    ("node", "cluster-ip", ["rejected", "rejected", "rejected"]),
    ("outside", "cluster-ip", ["rejected", "rejected", "rejected"]),
    ("pod", "node-port", ["rejected", "rejected", "rejected"]),
    ("node", "node-port", ["rejected", "rejected", "rejected"]),
    ("outside", "node-port", ["rejected", "rejected", "rejected"]),
    ("pod", "balancer", ["rejected", "rejected", "rejected"]),
    ("node", "balancer", ["rejected", "rejected", "rejected"]),
    ("outside", "balancer", ["rejected", "rejected", "rejected"]),
    ("outside", "external", ["rejected", "rejected", "rejected"]),
    ("outside", "second-node-port", ["untouched", "untouched", "untouched"]),
];

const PROTOCOLS: [(service::Protocol, Protocol); 3] = [
    (service::Protocol::Tcp, Protocol::Tcp),
    (service::Protocol::Udp, Protocol::Udp),
    (service::Protocol::Sctp, Protocol::Sctp),
];

/// A Service that is reached in every way.
fn cluster(net: &Net, protocol: service::Protocol, policy: usize, endpoints: Vec<Endpoint>) -> Cluster {
    let mut web = service("web", &[net.cluster_ip]);
    web.ports[0].protocol = protocol;
    web.ports[0].node_port = Some(30080);
    web.exposure.external_ips = vec![ip(net.external)];
    web.exposure.load_balancer_ips = vec![ip(net.balancer)];
    web.exposure.external_local = policy == 1;
    web.exposure.internal_local = policy == 2;
    let mut cluster = Cluster::new();
    let mut set = slice("web", 0, endpoints);
    set.ports[0].protocol = protocol;
    cluster.add(web).endpoints([set]);
    cluster
}

fn from_to(net: &Net, from: &str, to: &str, protocol: Protocol) -> Packet {
    let source = match from {
        "pod" => net.pod,
        "here" => net.here,
        "node" => net.node,
        "outside" => net.outside,
        other => panic!("{other}"),
    };
    let (destination, port) = match to {
        "cluster-ip" => (net.cluster_ip, 80),
        "cluster-ip:81" => (net.cluster_ip, 81),
        "balancer" => (net.balancer, 80),
        "balancer:81" => (net.balancer, 81),
        "external" => (net.external, 80),
        "node-port" => (net.node, 30080),
        "second-node-port" => (net.second, 30080),
        "node" => (net.node, 22),
        "unallocated" => (net.unallocated, 80),
        other => panic!("{other}"),
    };
    Packet { protocol, port, ..packet(source, destination) }
}

fn named(net: &Net, text: &str) -> String {
    text.replace(net.here, "here").replace(net.there, "there")
}

fn check(rows: &[Row], endpoints: impl Fn(&Net) -> Vec<Endpoint>) {
    for net in [&V4, &V6] {
        for (protocol, wire) in PROTOCOLS {
            for policy in 0..3 {
                let tracer = cluster(net, protocol, policy, endpoints(net)).tracer();
                for (from, to, wanted) in rows {
                    let fate = trace(&tracer, from_to(net, from, to, wire));
                    let row = format!("{from} -> {to}, {wire}, policy {policy}, {}", net.node);
                    assert_eq!(named(net, &fate), wanted[policy], "{row}");
                }
            }
        }
    }
}

#[test]
fn endpoints_here_and_elsewhere() {
    check(BOTH, |net| vec![endpoint(net.here, "here"), endpoint(net.there, "there")]);
}

#[test]
fn endpoints_only_elsewhere() {
    check(ELSEWHERE, |net| vec![endpoint(net.there, "there")]);
}

#[test]
fn no_usable_endpoint_at_all() {
    check(NOBODY, |_| Vec::new());
    check(NOBODY, |net| vec![unready(endpoint(net.here, "here")), unready(endpoint(net.there, "there"))]);
}

#[test]
fn both_families_live_side_by_side() {
    let mut web = service("web", &[V4.cluster_ip, V6.cluster_ip]);
    web.ports[0].node_port = Some(30080);
    let mut cluster = Cluster::new();
    let sets = [&V4, &V6].map(|net| slice("web", net.here.len(), vec![endpoint(net.here, "here")]));
    let tracer = cluster.add(web).endpoints(sets).tracer();
    for net in [&V4, &V6] {
        assert_eq!(trace(&tracer, packet(net.pod, net.cluster_ip)), net.here);
        let node_port = to_port(packet(net.outside, net.node), 30080);
        assert_eq!(trace(&tracer, node_port), format!("{}*", net.here));
    }
}

#[test]
fn a_node_port_is_there_in_the_families_of_the_cluster_addresses() {
    let mut web = service("web", &[V4.cluster_ip]);
    web.ports[0].node_port = Some(30080);
    let mut cluster = Cluster::new();
    let both = vec![endpoint(V4.here, "here"), endpoint(V6.here, "here")];
    let tracer = cluster.add(web).endpoints([slice("web", 0, both)]).tracer();
    assert_eq!(trace(&tracer, to_port(packet(V4.outside, V4.node), 30080)), format!("{}*", V4.here));
    assert_eq!(trace(&tracer, to_port(packet(V6.outside, V6.node), 30080)), "untouched");
}

#[test]
fn an_external_address_is_served_in_its_own_family() {
    let mut web = service("web", &[V4.cluster_ip]);
    web.exposure.external_ips = vec![ip(V6.external)];
    web.exposure.load_balancer_ips = vec![ip(V6.balancer)];
    let mut cluster = Cluster::new();
    cluster.add(web);
    cluster.endpoints([slice("web", 0, vec![endpoint(V4.here, "here")])]);
    // Nothing of the Service is in that family: whoever translates the address elsewhere still gets the packets.
    assert_eq!(trace(&cluster.tracer(), packet(V6.pod, V6.external)), "untouched");
    assert_eq!(cluster.messages().len(), 2, "{:?}", cluster.messages());
    let sets = [V4.here, V6.here].map(|address| slice("web", address.len(), vec![endpoint(address, "here")]));
    cluster.endpoints(sets);
    assert_eq!(trace(&cluster.tracer(), packet(V6.outside, V6.external)), format!("{}*", V6.here));
    assert!(cluster.messages().is_empty());
}

#[test]
fn source_ranges_hold_for_load_balancers_only() {
    for net in [&V4, &V6] {
        let ends = || vec![endpoint(net.here, "here")];
        let mut cluster = cluster(net, service::Protocol::Tcp, 0, ends());
        let mut trace = |ranges: &[&str], from: &str, to: &str| {
            let mut web = (*cluster.snapshot.services.values().next().unwrap().clone()).clone();
            web.exposure.source_ranges = Some(ranges.iter().map(|range| range.parse().unwrap()).collect());
            cluster.add(web);
            named(net, &trace(&cluster.tracer(), from_to(net, from, to, Protocol::Tcp)))
        };
        let inside = ["203.0.113.0/24", "203.0.113.8/29", "2001:db8::/64", "2001:db8::8/125"];
        assert_eq!(trace(&inside, "outside", "balancer"), "here*");
        let ours = ["10.0.0.0/8", "fd00::/16"];
        assert_eq!(trace(&ours, "outside", "balancer"), "dropped");
        assert_eq!(trace(&ours, "pod", "balancer"), "here*");
        assert_eq!(trace(&ours, "outside", "node-port"), "here*");
        assert_eq!(trace(&ours, "outside", "external"), "here*");
        assert_eq!(trace(&ours, "pod", "cluster-ip"), "here");
        // Nobody of a family without ranges.
        let other = if net.node == V4.node { "2001:db8::/64" } else { "203.0.113.0/24" };
        assert_eq!(trace(&[other], "outside", "balancer"), "dropped");
        assert_eq!(trace(&[], "outside", "balancer"), "dropped");
        assert_eq!(trace(&["0.0.0.0/0", "::/0"], "outside", "balancer"), "here*");
        assert_eq!(trace(&inside, "node", "balancer"), "dropped");
        assert_eq!(trace(&["192.168.0.0/24", "fd00:192::/64"], "node", "balancer"), "here*");
    }
}

#[test]
fn a_node_with_the_balancers_address_on_an_interface_may_ask_itself() {
    let mut cluster = cluster(&V4, service::Protocol::Tcp, 0, vec![endpoint(V4.here, "here")]);
    let mut web = (*cluster.snapshot.services.values().next().unwrap().clone()).clone();
    web.exposure.source_ranges = Some(vec!["192.168.0.0/24".parse().unwrap()]);
    cluster.add(web.clone());
    let ask = |cluster: &Cluster| {
        let tracer = Tracer::new(&cluster.desired().ruleset, &[ip(V4.node), ip(V4.balancer)]);
        let own = Packet { from: crate::tracer::From::Node, ..packet(V4.balancer, V4.balancer) };
        trace(&tracer, own)
    };
    assert_eq!(ask(&cluster), format!("{}*", V4.here));
    web.exposure.source_ranges = Some(vec!["192.168.99.0/24".parse().unwrap()]);
    cluster.add(web);
    assert_eq!(ask(&cluster), "dropped");
}

#[test]
fn who_is_a_pod_decides_whose_source_is_kept() {
    let ends = vec![endpoint(V4.here, "here"), endpoint(V4.there, "there")];
    let mut cluster = cluster(&V4, service::Protocol::Tcp, 1, ends);
    let far_pod = "10.244.9.9";
    // Pods, masquerade-all; pod -> ClusterIP; pod elsewhere -> ClusterIP; outside -> ClusterIP; pod -> balancer.
    let ranges = Pods::Ranges(vec!["10.244.0.0/16".parse().unwrap()]);
    for (pods, all, wanted) in [
        (ranges.clone(), false, ["here there", "here there", "here* there*", "here there"]),
        (ranges, true, ["here* there*", "here* there*", "here* there*", "here there"]),
        (Pods::NodeCidrs, false, ["here there", "here* there*", "here* there*", "here there"]),
        // Nothing is known to be a pod: all keep their source, and to a balancer all are from outside.
        (Pods::Ranges(Vec::new()), false, ["here there", "here there", "here there", "here"]),
        (Pods::Ranges(Vec::new()), true, ["here* there*", "here* there*", "here* there*", "here"]),
    ] {
        (cluster.options.pods, cluster.options.masquerade_all) = (pods, all);
        let tracer = cluster.tracer();
        let sources = [
            (V4.pod, V4.cluster_ip),
            (far_pod, V4.cluster_ip),
            (V4.outside, V4.cluster_ip),
            (V4.pod, V4.balancer),
        ];
        let fates = sources.map(|(from, to)| named(&V4, &trace(&tracer, packet(from, to))));
        assert_eq!(fates, wanted, "{:?}", cluster.options);
    }
}

#[test]
fn node_ports_are_answered_at_the_addresses_that_were_asked_for() {
    let mut cluster = cluster(&V4, service::Protocol::Tcp, 0, vec![endpoint(V4.here, "here")]);
    let own = ["192.168.0.1", "192.168.7.1", "127.0.0.1"];
    for (ranges, answered) in [
        (None, [true, false, false]),
        (Some(vec!["192.168.7.0/24"]), [false, true, false]),
        (Some(vec!["0.0.0.0/0", "192.168.7.0/24"]), [true, true, false]),
        (Some(vec![]), [false, false, false]),
    ] {
        let parse = |ranges: Vec<&str>| ranges.iter().map(|range| range.parse().unwrap()).collect();
        cluster.options.node_ports =
            ranges.map_or(NodePorts::Primary, |ranges| NodePorts::Ranges(parse(ranges)));
        let tracer = cluster.tracer();
        for (address, answered) in own.into_iter().zip(answered) {
            let fate = trace(&tracer, to_port(packet(V4.node, address), 30080));
            assert_eq!(fate == "10.244.0.2*", answered, "{address} {:?}", cluster.options.node_ports);
        }
        // A port of another machine is nobody's business, whatever the ranges.
        assert_eq!(trace(&tracer, to_port(packet(V4.pod, "192.168.7.77"), 30080)), "untouched");
    }
}

#[test]
fn a_number_that_is_somebodys_node_port_means_nothing_on_other_addresses() {
    // Policy Local and affinity on port 80 of a balancer; the NodePort 80 of another Service, of policy Cluster.
    let mut cluster = cluster(&V4, service::Protocol::Tcp, 1, vec![endpoint(V4.here, "here")]);
    cluster.options.node_ports = NodePorts::Ranges(vec!["0.0.0.0/0".parse().unwrap()]);
    let mut other = service("other", &["10.96.0.11"]);
    other.ports[0].node_port = Some(80);
    other.exposure.affinity = Some(60);
    cluster.add(other).endpoints([slice("other", 0, vec![endpoint("10.244.0.3", "here")])]);
    let mut tracer = cluster.tracer();
    assert_eq!(word(tracer.send(packet(V4.outside, V4.balancer), 0)), V4.here);
    assert_eq!(word(tracer.send(packet(V4.outside, V4.cluster_ip), 0)), format!("{}*", V4.here));
    assert!(tracer.affinity.is_empty(), "{:?}", tracer.affinity);
    assert_eq!(word(tracer.send(packet(V4.outside, V4.node), 0)), "10.244.0.3*");
    assert_eq!(tracer.affinity.len(), 1);
}

#[test]
fn packets_of_known_connections_are_left_alone_and_invalid_ones_dropped() {
    let mut cluster = cluster(&V4, service::Protocol::Tcp, 0, Vec::new());
    let old = Packet { state: State::Established, ..packet(V4.pod, V4.cluster_ip) };
    let invalid = Packet { state: State::Invalid, ..packet(V4.here, V4.outside) };
    assert_eq!(trace(&cluster.tracer(), old), "untouched");
    assert_eq!(trace(&cluster.tracer(), invalid), "dropped");
    cluster.options.liberal = true;
    assert_eq!(trace(&cluster.tracer(), invalid), "untouched");
}
