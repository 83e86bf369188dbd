//! UDP clients with a fixed port: they move on when their server leaves, and only they.

use std::net::{SocketAddr, UdpSocket};

use super::client::Outcome::{self, Refused};
use super::client::{ask, until};
use super::manifest::{PODS, READY, Service, TERMINATING};
use super::net::{Net, Side, possible};
use super::program::Program;
use super::server::Server;

/// A socket on a side that keeps its port.
fn socket(net: &Net, from: Side, to: SocketAddr) -> UdpSocket {
    let own = SocketAddr::new(from.address(to.ip()), 0);
    net.on(from, move || UdpSocket::bind(own).unwrap())
}

#[test]
fn a_client_with_a_fixed_port_reaches_the_new_server() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _servers = [(Side::B, "b"), (Side::C, "c")].map(|(side, name)| Server::start(&net, side, 8080, name));
    let service = |endpoints: &[Side]| Service::new(1, endpoints).node_port(30080);
    let mut program = Program::start(&net, &service(&[Side::B]).cluster_yaml(), &["--cluster-cidr", PODS]);
    let clients: Vec<(UdpSocket, SocketAddr)> = [
        (Side::A, service(&[]).cluster()),
        (Side::Outside, service(&[]).on_node()),
        (Side::Node, service(&[]).cluster()),
    ]
    .into_iter()
    .flat_map(|(from, places)| places.map(|to| (socket(&net, from, to), to)))
    .collect();
    for (socket, to) in &clients {
        assert_eq!(ask(socket, *to).name(), "b", "{to}");
    }
    program.write(&service(&[Side::C]).cluster_yaml());
    for (socket, to) in &clients {
        let answer = || ask(socket, *to);
        until(
            "the new server answers",
            answer,
            |outcome| matches!(outcome, Outcome::Answered(name, _) if name == "c"),
        );
    }
    program.until_said("UDP flows to endpoints that left are ended");
}

#[test]
fn a_client_that_was_there_before_the_first_endpoint_is_served() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _server = Server::start(&net, Side::B, 8080, "b");
    let service = |endpoints: &[Side]| Service::new(1, endpoints).node_port(30080);
    let mut program = Program::start(&net, &service(&[]).cluster_yaml(), &["--cluster-cidr", PODS]);
    let places = [service(&[]).cluster(), service(&[]).on_node()].concat();
    let clients: Vec<_> = places.iter().map(|to| (socket(&net, Side::Outside, *to), *to)).collect();
    for (socket, to) in &clients {
        assert_eq!(ask(socket, *to), Refused, "{to}");
    }
    program.write(&service(&[Side::B]).cluster_yaml());
    for (socket, to) in &clients {
        let answer = || ask(socket, *to);
        until("the first server answers", answer, |outcome| matches!(outcome, Outcome::Answered(..)));
    }
}

#[test]
fn a_server_that_is_replaced_while_the_program_is_away_is_noticed_at_its_start() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _servers = [(Side::B, "b"), (Side::C, "c")].map(|(side, name)| Server::start(&net, side, 8080, name));
    let service = |endpoints: &[Side]| Service::new(1, endpoints).node_port(30080);
    let mut program = Program::start(&net, &service(&[Side::B]).cluster_yaml(), &["--cluster-cidr", PODS]);
    let places = [service(&[]).cluster(), service(&[]).on_node()].concat();
    let clients: Vec<_> = places.iter().map(|to| (socket(&net, Side::Outside, *to), *to)).collect();
    for (socket, to) in &clients {
        assert_eq!(ask(socket, *to).name(), "b", "{to}");
    }
    program.stop();
    program.write(&service(&[Side::C]).cluster_yaml());
    program.start_again(&net);
    program.until_said("are ended");
    for (socket, to) in &clients {
        assert_eq!(ask(socket, *to).name(), "c", "{to}");
    }
}

#[test]
fn flows_go_on_when_others_are_preferred_from_now_on() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _servers = [(Side::A, "a"), (Side::B, "b")].map(|(side, name)| Server::start(&net, side, 8080, name));
    let service = |a: &'static str| {
        let mut service = Service::new(1, &[Side::B]);
        service.endpoints.push((Side::A, a));
        service
    };
    let mut program = Program::start(&net, &service(READY).cluster_yaml(), &["--cluster-cidr", PODS]);
    let to = service(READY).cluster()[1];
    let clients: Vec<_> = (0..16).map(|_| socket(&net, Side::Outside, to)).collect();
    let before: Vec<String> = clients.iter().map(|socket| ask(socket, to).name().to_owned()).collect();
    assert!(before.iter().any(|name| name == "a"));
    // It begins to end, and serves on: new flows go elsewhere, its own may finish.
    program.write(&service(TERMINATING).cluster_yaml());
    program.until_said("endpoint sets changed");
    let after: Vec<String> = clients.iter().map(|socket| ask(socket, to).name().to_owned()).collect();
    assert_eq!(after, before);
}

#[test]
fn flows_to_endpoints_that_stay_are_left_alone() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let sides = [(Side::A, "a"), (Side::B, "b"), (Side::C, "c")];
    let _servers = sides.map(|(side, name)| Server::start(&net, side, 8080, name));
    let service = |endpoints: &[Side]| Service::new(1, endpoints);
    let mut program = Program::start(
        &net,
        &service(&[Side::A, Side::B, Side::C]).cluster_yaml(),
        &["--cluster-cidr", PODS],
    );
    let to = service(&[]).cluster()[0];
    let clients: Vec<_> = (0..24).map(|_| socket(&net, Side::Outside, to)).collect();
    let before: Vec<String> = clients.iter().map(|socket| ask(socket, to).name().to_owned()).collect();
    program.write(&service(&[Side::A, Side::B]).cluster_yaml());
    program.until_said("are ended");
    for (socket, first) in clients.iter().zip(&before) {
        let now = ask(socket, to).name().to_owned();
        assert!(now == *first || first == "c", "{first} stays, {now} answered");
        assert_ne!(now, "c");
    }
}
