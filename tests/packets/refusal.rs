//! What has no endpoint is refused at once; what nobody has is dropped; who may not come is not answered.

use std::net::SocketAddr;

use super::client::Outcome::{Refused, Silence};
use super::client::Source::Masqueraded;
use super::client::{both, servers, tcp, until};
use super::manifest::{CLUSTER, PODS, Service, UNREADY};
use super::net::{Net, Side, possible};
use super::program::Program;
use super::server::Server;

#[test]
fn without_endpoints_everybody_is_refused_at_once() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _server = Server::start(&net, Side::B, 8080, "b");
    for more in
        ["externalTrafficPolicy: Cluster", "externalTrafficPolicy: Local", "internalTrafficPolicy: Local"]
    {
        let mut service = Service::new(1, &[]).with(more).load_balancer(30080);
        service.endpoints = vec![(Side::B, UNREADY)];
        let _program = Program::start(&net, &service.cluster_yaml(), &["--cluster-cidr", PODS]);
        for place in [service.cluster(), service.on_node(), service.balancer()].concat() {
            for from in [Side::A, Side::Node, Side::Outside] {
                assert_eq!(both(&net, from, place), [Refused, Refused], "{more}: {from:?} to {place}");
            }
        }
    }
}

#[test]
fn a_port_that_nobody_has_is_refused_and_an_address_that_nobody_has_is_dropped() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _server = Server::start(&net, Side::B, 8080, "b");
    let service = Service::new(1, &[Side::B]);
    let _program = Program::start(&net, &service.cluster_yaml(), &["--cluster-cidr", PODS]);
    for address in service.cluster() {
        let other_port = SocketAddr::new(address.ip(), 81);
        for from in [Side::A, Side::Node] {
            assert_eq!(both(&net, from, other_port), [Refused, Refused], "{from:?} to {other_port}");
        }
    }
    for nobodys in ["10.96.0.77:80", "[fd00:96::77]:80"] {
        assert_eq!(both(&net, Side::A, nobodys.parse().unwrap()), [Silence, Silence], "{nobodys}");
    }
}

#[test]
fn source_ranges_hold_for_load_balancers_only() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _server = Server::start(&net, Side::B, 8080, "b");
    let service = |ranges: &str| {
        Service::new(1, &[Side::B])
            .with(&format!("loadBalancerSourceRanges: [{ranges}]"))
            .load_balancer(30080)
    };
    let closed = service("10.244.1.10/32, 'fd00:244:1::10/128'");
    let mut program = Program::start(&net, &closed.cluster_yaml(), &["--cluster-cidr", PODS]);
    for family in [0, 1] {
        let (balancer, node_port) = (closed.balancer()[family], closed.on_node()[family]);
        assert_eq!(both(&net, Side::Outside, balancer), [Silence, Silence], "{balancer}");
        servers(&net, Side::A, balancer, Masqueraded);
        servers(&net, Side::Outside, node_port, Masqueraded);
    }
    program.write(&service("192.0.2.0/24, 192.0.2.0/25, 'fd00:2::/64'").cluster_yaml());
    for balancer in closed.balancer() {
        until("the outside is let in", || tcp(&net, Side::Outside, balancer), |outcome| *outcome != Silence);
        servers(&net, Side::Outside, balancer, Masqueraded);
        assert_eq!(both(&net, Side::A, balancer), [Silence, Silence], "{balancer}");
    }
}

#[test]
fn what_another_proxy_serves_and_what_has_no_address_is_left_alone() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _server = Server::start(&net, Side::B, 8080, "b");
    let others = Service::new(1, &[Side::B]).cluster_yaml().replace(
        "metadata: {name: web}",
        "metadata: {name: web, labels: {service.kubernetes.io/service-proxy-name: other}}",
    );
    let headless = "apiVersion: v1\nkind: Service\nmetadata: {name: headless}\nspec: {clusterIP: None, ports: [{port: 80}]}\n---\n\
                    apiVersion: v1\nkind: Service\nmetadata: {name: far}\nspec: {type: ExternalName, externalName: example.com}\n---\n";
    let _program = Program::start(&net, &format!("{others}{headless}"), &["--cluster-cidr", PODS]);
    for map in ["services", "endpoints"] {
        for family in ["ip", "ip6"] {
            let listed = net.nft(&["list", "map", family, "slipway", map]);
            assert!(!listed.contains("elements"), "{listed}");
        }
    }
}

#[test]
fn a_service_that_is_too_large_is_left_out_and_said() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _server = Server::start(&net, Side::B, 8080, "b");
    let service = Service::new(1, &[Side::B]);
    let external: Vec<String> = (0..2000).map(|n| format!("10.1.{}.{}", n / 200, n % 200 + 1)).collect();
    let ports: String = (1..=200).map(|n| format!("  - {{name: p{n}, port: {n}}}\n")).collect();
    let large = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: large}}\nspec:\n  clusterIP: 10.96.0.66\n  externalIPs: [{}]\n  ports:\n{ports}---\n",
        external.join(", ")
    );
    let program =
        Program::start(&net, &format!("{CLUSTER}{large}{}", service.yaml()), &["--cluster-cidr", PODS]);
    for place in service.cluster() {
        servers(&net, Side::Outside, place, Masqueraded);
    }
    let line = program.until_said("400400 addresses and ports");
    assert!(line.contains("default/large"), "{line}");
}

#[test]
fn an_absurd_service_does_not_take_others_with_it() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _server = Server::start(&net, Side::B, 8080, "b");
    let service = Service::new(1, &[Side::B]).node_port(30080);
    let ports: String =
        (0..300).map(|n| format!("  - {{name: p{n}, port: {}, protocol: SCTP}}\n", n + 1)).collect();
    let absurd = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: absurd}}\nspec:\n  clusterIPs: [0.0.0.0, 'fe80::1', banana, 10.96.0.66]\n  \
         externalIPs: [127.0.0.1, 224.0.0.1, 10.96.0.1]\n  sessionAffinity: ClientIP\n  \
         sessionAffinityConfig: {{clientIP: {{timeoutSeconds: 2000000000}}}}\n  ports:\n\
         {ports}  - {{name: bad, port: 0}}\n  - {{name: twice, port: 1, protocol: SCTP}}\n  - {{name: http, port: 80, nodePort: 30080}}\n---\n"
    );
    let yaml = format!("{CLUSTER}{absurd}{}", service.yaml());
    let program = Program::start(&net, &yaml, &["--cluster-cidr", PODS]);
    for place in [service.cluster(), service.on_node()].concat() {
        servers(&net, Side::Outside, place, Masqueraded);
    }
    program.until_said("banana");
    program.until_said("default/absurd");
}
