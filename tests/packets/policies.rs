//! Who reaches whom, and with which source address: the rows of Kubernetes' traffic policies.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::client::Outcome::Silence;
use super::client::Source::{self, Kept, Masqueraded};
use super::client::{both, servers, until};
use super::manifest::{CLUSTER, PODS, READY, Service, TERMINATING, UNREADY};
use super::net::{Net, Side, possible};
use super::program::Program;
use super::server::Server;

/// Servers in all pods.
struct Pods(#[allow(dead_code, reason = "they serve until the test ends")] [Server; 3]);

fn pods(net: &Net) -> Pods {
    Pods(
        [(Side::A, "a"), (Side::B, "b"), (Side::C, "c")]
            .map(|(side, name)| Server::start(net, side, 8080, name)),
    )
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Asserts which servers answer a side at each of these addresses, and whose address they see.
#[track_caller]
fn reaches(net: &Net, from: Side, places: &[SocketAddr], names: &[&str], source: Source) {
    for place in places {
        assert_eq!(servers(net, from, *place, source), set(names), "{from:?} to {place}");
    }
}

/// Asserts that a side hears nothing at these addresses.
#[track_caller]
fn silent(net: &Net, from: Side, places: &[SocketAddr]) {
    for place in places {
        assert_eq!(both(net, from, *place), [Silence, Silence], "{from:?} to {place}");
    }
}

#[test]
fn policy_cluster_reaches_every_endpoint() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _pods = pods(&net);
    let service = Service::new(1, &[Side::B, Side::C]).load_balancer(30080);
    let _program = Program::start(&net, &service.cluster_yaml(), &["--cluster-cidr", PODS]);
    let outside = [service.on_node(), service.balancer()].concat();
    reaches(&net, Side::A, &service.cluster(), &["b", "c"], Kept);
    reaches(&net, Side::A, &outside, &["b", "c"], Masqueraded);
    for from in [Side::Node, Side::Outside] {
        reaches(&net, from, &service.cluster(), &["b", "c"], Masqueraded);
        reaches(&net, from, &outside, &["b", "c"], Masqueraded);
    }
}

#[test]
fn a_pod_reaches_itself_through_its_service() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _pods = pods(&net);
    let service = Service::new(1, &[Side::A]).with("externalTrafficPolicy: Local").load_balancer(30080);
    let _program = Program::start(&net, &service.cluster_yaml(), &["--cluster-cidr", PODS]);
    let all = [service.cluster(), service.on_node(), service.balancer()].concat();
    reaches(&net, Side::A, &all, &["a"], Masqueraded);
    reaches(&net, Side::B, &service.cluster(), &["a"], Kept);
}

#[test]
fn external_policy_local_keeps_the_clients_address_and_stays_on_the_node() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _pods = pods(&net);
    let local = |endpoints: &[Side]| {
        Service::new(1, endpoints).with("externalTrafficPolicy: Local").load_balancer(30080)
    };
    let service = local(&[Side::B, Side::C]);
    let mut program = Program::start(&net, &service.cluster_yaml(), &["--cluster-cidr", PODS]);
    let outside = [service.on_node(), service.balancer()].concat();
    reaches(&net, Side::Outside, &outside, &["b"], Kept);
    reaches(&net, Side::A, &outside, &["b", "c"], Kept);
    reaches(&net, Side::Node, &outside, &["b", "c"], Masqueraded);
    reaches(&net, Side::A, &service.cluster(), &["b", "c"], Kept);

    // No endpoint on this node: nothing for the outside, all for the inside.
    program.write(&local(&[Side::C]).cluster_yaml());
    until(
        "the outside hears nothing",
        || both(&net, Side::Outside, outside[0]),
        |o| *o == [Silence, Silence],
    );
    silent(&net, Side::Outside, &outside);
    reaches(&net, Side::A, &outside, &["c"], Kept);
    reaches(&net, Side::Node, &outside, &["c"], Masqueraded);
}

#[test]
fn internal_policy_local_stays_on_the_node() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _pods = pods(&net);
    let local = |endpoints: &[Side]| {
        Service::new(1, endpoints).with("internalTrafficPolicy: Local").load_balancer(30080)
    };
    let service = local(&[Side::B, Side::C]);
    let mut program = Program::start(&net, &service.cluster_yaml(), &["--cluster-cidr", PODS]);
    let outside = [service.on_node(), service.balancer()].concat();
    reaches(&net, Side::A, &service.cluster(), &["b"], Kept);
    reaches(&net, Side::Node, &service.cluster(), &["b"], Masqueraded);
    reaches(&net, Side::A, &outside, &["b", "c"], Masqueraded);
    reaches(&net, Side::Outside, &outside, &["b", "c"], Masqueraded);

    program.write(&local(&[Side::C]).cluster_yaml());
    let cluster = service.cluster();
    until("pods hear nothing", || both(&net, Side::A, cluster[1]), |o| *o == [Silence, Silence]);
    silent(&net, Side::A, &cluster);
    reaches(&net, Side::Outside, &outside, &["c"], Masqueraded);
}

#[test]
fn terminating_endpoints_serve_when_there_is_no_other() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _pods = pods(&net);
    let service = |endpoints: &[(Side, &'static str)]| {
        let mut service = Service::new(1, &[]).with("externalTrafficPolicy: Local").node_port(30080);
        service.endpoints = endpoints.to_vec();
        service
    };
    let first = service(&[(Side::A, READY), (Side::B, TERMINATING), (Side::C, TERMINATING)]);
    let mut program = Program::start(&net, &first.cluster_yaml(), &["--cluster-cidr", PODS]);
    let (cluster, node) = (first.cluster(), first.on_node());
    reaches(&net, Side::Outside, &node, &["a"], Kept);
    reaches(&net, Side::B, &cluster, &["a"], Kept);

    // Only terminating ones are left: everywhere for the cluster, on this node for what comes from outside.
    program.write(
        &service(&[(Side::A, UNREADY), (Side::B, TERMINATING), (Side::C, TERMINATING)]).cluster_yaml(),
    );
    let look = || servers(&net, Side::Outside, cluster[1], Masqueraded);
    until("terminating endpoints serve", look, |names| *names == set(&["b", "c"]));
    reaches(&net, Side::A, &cluster, &["b", "c"], Kept);
    reaches(&net, Side::Outside, &node, &["b"], Kept);
}

#[test]
fn without_a_cluster_cidr_nothing_is_known_to_be_a_pod() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _pods = pods(&net);
    let service = Service::new(1, &[Side::B]).with("externalTrafficPolicy: Local").node_port(30080);
    let unknown =
        service.cluster_yaml().replace("spec: {podCIDRs: [10.244.1.0/24, 'fd00:244:1::/64']}", "spec: {}");
    let _program = Program::start(&net, &unknown, &[]);
    reaches(&net, Side::Outside, &service.cluster(), &["b"], Kept);
    reaches(&net, Side::A, &service.on_node(), &["b"], Kept);
}

#[test]
fn masquerade_all_hides_pods_too() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _pods = pods(&net);
    let service = Service::new(1, &[Side::B, Side::C]);
    let flags = ["--cluster-cidr", PODS, "--masquerade-all"];
    let _program = Program::start(&net, &service.cluster_yaml(), &flags);
    reaches(&net, Side::A, &service.cluster(), &["b", "c"], Masqueraded);
}

#[test]
fn node_ports_answer_where_they_should() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _pods = pods(&net);
    let service = Service::new(1, &[Side::B]).node_port(30080);
    let _program = Program::start(
        &net,
        &service.cluster_yaml(),
        &["--cluster-cidr", PODS, "--nodeport-addresses", "192.0.2.0/24,fd00:2::/64"],
    );
    let places: [SocketAddr; 2] = ["192.0.2.1:30080".parse().unwrap(), "[fd00:2::1]:30080".parse().unwrap()];
    reaches(&net, Side::Outside, &places, &["b"], Masqueraded);
    for (from, place) in [(Side::Outside, service.on_node()[0]), (Side::A, service.on_node()[1])] {
        assert_ne!(
            both(&net, from, place)[0],
            both(&net, Side::Outside, places[0])[0],
            "{place} is no NodePort address"
        );
    }
}

#[test]
fn external_ips_are_like_load_balancers() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _pods = pods(&net);
    let service = Service::new(1, &[Side::B, Side::C]).with("externalIPs: [198.51.100.9, 'fd00:198::9']");
    let _program = Program::start(&net, &service.cluster_yaml(), &["--cluster-cidr", PODS]);
    let places: [SocketAddr; 2] = ["198.51.100.9:80".parse().unwrap(), "[fd00:198::9]:80".parse().unwrap()];
    reaches(&net, Side::Outside, &places, &["b", "c"], Masqueraded);
    reaches(&net, Side::A, &places, &["b", "c"], Masqueraded);
}

#[test]
fn hints_keep_traffic_in_the_zone() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _pods = pods(&net);
    let service = Service::new(1, &[Side::A, Side::B, Side::C]);
    let hinted = |zones: [&str; 3]| {
        let mut yaml = service.cluster_yaml();
        for (side, zone) in [Side::A, Side::B, Side::C].into_iter().zip(zones) {
            for address in side.addresses() {
                let hint = if zone.is_empty() {
                    String::new()
                } else {
                    format!("hints: {{forZones: [{{name: {zone}}}]}}, ")
                };
                yaml = yaml.replace(
                    &format!("{{addresses: ['{address}'], "),
                    &format!("{{addresses: ['{address}'], {hint}"),
                );
            }
        }
        assert_ne!(yaml, CLUSTER);
        yaml
    };
    let mut program =
        Program::start(&net, &hinted(["zone-2", "zone-1", "zone-2"]), &["--cluster-cidr", PODS]);
    reaches(&net, Side::A, &service.cluster(), &["b"], Kept);
    // One endpoint without a hint: all are used again.
    program.write(&hinted(["zone-2", "zone-1", ""]));
    let look = || {
        let names = both(&net, Side::Outside, service.cluster()[0]);
        names.map(|outcome| outcome.name().to_owned())
    };
    until("another zone answers", look, |names| names.iter().any(|name| name != "b"));
}
