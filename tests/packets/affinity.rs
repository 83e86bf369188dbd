//! Session affinity: a client stays with its endpoint, as long as there is one.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::client::{tcp, udp, until};
use super::manifest::{PODS, Service};
use super::net::{Net, Side, possible};
use super::program::Program;
use super::server::Server;

const STICKY: &str = "sessionAffinity: ClientIP";

/// The servers of some connections.
fn names(ask: impl Fn() -> String) -> BTreeSet<String> {
    (0..14).map(|_| ask()).collect()
}

#[test]
fn a_client_stays_with_its_endpoint_until_affinity_is_switched_off() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _servers = [(Side::B, "b"), (Side::C, "c")].map(|(side, name)| Server::start(&net, side, 8080, name));
    let service = || Service::new(1, &[Side::B, Side::C]);
    let mut program = Program::start(
        &net,
        &service().with(STICKY).node_port(30080).cluster_yaml(),
        &["--cluster-cidr", PODS],
    );
    let places = [service().cluster(), service().node_port(30080).on_node()].concat();
    let over_tcp = |place: SocketAddr| names(|| tcp(&net, Side::A, place).name().to_owned());
    let over_udp = |place: SocketAddr| names(|| udp(&net, Side::Outside, place).name().to_owned());
    for place in &places {
        assert_eq!((over_tcp(*place).len(), over_udp(*place).len()), (1, 1), "{place}");
    }

    program.write(&service().node_port(30080).cluster_yaml());
    for place in &places {
        until("connections are spread again", || over_tcp(*place), |names| names.len() == 2);
    }
    program.write(&service().with(STICKY).node_port(30080).cluster_yaml());
    for place in &places {
        until("a client stays again", || over_udp(*place), |names| names.len() == 1);
    }
}

#[test]
fn a_client_moves_on_when_its_endpoint_leaves_and_only_then() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let sides = [(Side::A, "a"), (Side::B, "b"), (Side::C, "c")];
    let _servers = sides.map(|(side, name)| Server::start(&net, side, 8080, name));
    let all = [Side::A, Side::B, Side::C];
    let mut program =
        Program::start(&net, &Service::new(1, &all).with(STICKY).cluster_yaml(), &["--cluster-cidr", PODS]);
    for place in Service::new(1, &all).cluster() {
        let ask = || tcp(&net, Side::Outside, place).name().to_owned();
        let first = ask();
        let (mine, others): (Vec<Side>, Vec<Side>) =
            all.into_iter().partition(|side| sides.contains(&(*side, &*first)));
        // Another endpoint leaves and comes back: the client stays.
        program.write(&Service::new(1, &[mine[0], others[0]]).with(STICKY).cluster_yaml());
        program.until_count("endpoint sets changed", 1);
        assert_eq!(names(ask), BTreeSet::from([first.clone()]));
        // Its own leaves: it goes elsewhere and stays there, also when the former is back.
        program.write(&Service::new(1, &others).with(STICKY).cluster_yaml());
        let second = until("another answers", ask, |name| *name != first);
        program.write(&Service::new(1, &all).with(STICKY).cluster_yaml());
        program.until_in_force(&net);
        assert_eq!(names(ask), BTreeSet::from([second]));
    }
}

#[test]
fn remembered_clients_survive_a_restart() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let sides = [(Side::A, "a"), (Side::B, "b"), (Side::C, "c")];
    let _servers = sides.map(|(side, name)| Server::start(&net, side, 8080, name));
    let service = Service::new(1, &[Side::A, Side::B, Side::C]).with(STICKY);
    let mut program = Program::start(&net, &service.cluster_yaml(), &["--cluster-cidr", PODS]);
    let ask = |place| tcp(&net, Side::Outside, place).name().to_owned();
    let before = service.cluster().map(ask);
    program.kill();
    program.start_again(&net);
    for _ in 0..7 {
        assert_eq!(service.cluster().map(ask), before);
    }
}
