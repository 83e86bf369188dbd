//! Real packets: where they go, and which connections are removed.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use slipway::l4::conntrack::delete;
use slipway::l4::conntrack::timeouts::Timeouts;
use slipway::l4::desired::Stale;
use slipway::l4::nft::Kernel;
use slipway::l4::ruleset::{Family, Frontend, Protocol, Target};

use crate::namespace::{alone, run};
use crate::{sample, tables};

/// Pods, the node and the way to Services, all in one namespace; and the rules.
fn node() -> Kernel {
    run("ip", &["link", "add", "pods", "type", "veth", "peer", "name", "far"]);
    run("ip", &["link", "set", "far", "up"]);
    run("ip", &["link", "set", "pods", "up"]);
    for address in ["10.0.1.1/32", "10.0.1.2/32", "10.0.1.3/32", "10.0.0.1/16"] {
        run("ip", &["addr", "add", address, "dev", "pods"]);
    }
    for address in ["fd00::10:0:1:1/128", "fd00::10:0:1:2/128", "fd00::10:0:1:3/128", "fd00::10:0:0:1/64"] {
        run("ip", &["addr", "add", address, "dev", "pods", "nodad"]);
    }
    run("ip", &["route", "add", "10.0.0.0/8", "dev", "pods", "src", "10.0.0.1"]);
    let mut kernel = Kernel::open().unwrap();
    kernel.apply(&tables::all(&sample::ruleset())).unwrap();
    kernel
}

fn at(family: Family, text: &str, port: u16) -> SocketAddr {
    SocketAddr::new(sample::address(family, text), port)
}

/// A socket that says who it is to everybody who asks, from a thread of its own.
fn serve(address: SocketAddr) {
    let socket = UdpSocket::bind(address).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((_, client)) = socket.recv_from(&mut buffer) {
            socket.send_to(address.to_string().as_bytes(), client).unwrap();
        }
    });
}

/// Who answers.
fn ask(client: &UdpSocket, to: SocketAddr) -> Target {
    let mut buffer = [0; 64];
    let until = Instant::now() + Duration::from_secs(5);
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    while Instant::now() < until {
        client.send_to(b"who?", to).unwrap();
        if let Ok((length, from)) = client.recv_from(&mut buffer) {
            assert_eq!(from, to, "the answer seems to come from whom was asked");
            let answer: SocketAddr = std::str::from_utf8(&buffer[..length]).unwrap().parse().unwrap();
            return Target { address: answer.ip(), port: answer.port() };
        }
    }
    panic!("nobody answers at {to}");
}

fn connections(family: Family, of: SocketAddr) -> usize {
    let family = if family == Family::Ip { "ipv4" } else { "ipv6" };
    let listing = run("conntrack", &["-L", "-f", family, "-p", "udp"]);
    let (address, port) = (format!("dst={} ", of.ip()), format!("dport={} ", of.port()));
    let original = |line: &&str| {
        let (before, _) = line.rsplit_once("src=").unwrap();
        before.contains(&address) && before.contains(&port)
    };
    listing.lines().filter(original).count()
}

#[test]
fn clients_go_where_they_went_before() {
    alone("connections::clients_go_where_they_went_before", || {
        let mut kernel = node();
        for family in Family::ALL {
            for endpoint in ["0.1.2", "0.1.3"] {
                serve(at(family, endpoint, 5353));
            }
            let node = at(family, "0.0.1", 0);
            let service = sample::sticky(family);
            let service = SocketAddr::new(service.address, service.port);
            // Each client has a port of its own: the connections of those before are still known.
            let mut port = 20_000;
            let mut client = || {
                port += 1;
                UdpSocket::bind((node.ip(), port)).unwrap()
            };
            let mut hit = std::collections::BTreeSet::new();
            for (to, frontend) in [
                (service, sample::sticky(family)),
                (at(family, "0.0.1", 30053), sample::node_port(family, Protocol::Udp, 30053)),
            ] {
                for _ in 0..12 {
                    let first = ask(&client(), to);
                    hit.insert(first);
                    for _ in 0..8 {
                        assert_eq!(ask(&client(), to), first);
                    }
                    let known = kernel.remembered(family).unwrap();
                    assert!(known.contains(&(frontend, node.ip(), first)), "{known:?}");
                    assert_eq!(kernel.forget(family, &[(frontend, node.ip())]).unwrap(), 1);
                }
            }
            assert_eq!(hit.len(), 2, "without memory any endpoint");
        }
    });
}

#[test]
fn only_connections_that_lead_nowhere_are_removed() {
    alone("connections::only_connections_that_lead_nowhere_are_removed", || {
        let _rules = node();
        for family in Family::ALL {
            for endpoint in ["0.1.2", "0.1.3"] {
                serve(at(family, endpoint, 5353));
            }
            let node = at(family, "0.0.1", 0);
            let plain = at(family, "0.0.1", 30099);
            serve(plain);
            let sticky = sample::sticky(family);
            let service = SocketAddr::new(sticky.address, sticky.port);
            let at_node = at(family, "0.0.1", 30053);
            let mut clients = Vec::new();
            let mut client = |to| {
                let socket = UdpSocket::bind(node).unwrap();
                let answer = ask(&socket, to);
                clients.push(socket);
                answer
            };
            let to = client(service);
            client(service);
            let to_node = client(at_node);
            client(plain);
            let count = || [service, at_node, plain].map(|of| connections(family, of));
            assert_eq!(count(), [2, 1, 1]);

            let node_port = |port| sample::node_port(family, Protocol::Udp, port);
            let stale = |frontend: Frontend, target| Stale { frontend, target };
            let local = |address: IpAddr| address == node.ip();
            let other = Target { port: 9, ..to };
            // None of these is exactly one of them.
            let near = [
                stale(sticky, None),
                stale(sticky, Some(other)),
                stale(Frontend { protocol: Protocol::Tcp, ..sticky }, Some(to)),
                stale(Frontend { port: 54, ..sticky }, Some(to)),
                stale(node_port(30053), None),
                stale(node_port(53), Some(to)),
                stale(node_port(30099), Some(to)),
            ];
            assert_eq!(delete(&near, local).unwrap(), 0);
            assert_eq!(delete(&[stale(node_port(30053), Some(to_node))], |_| false).unwrap(), 0);
            assert_eq!(count(), [2, 1, 1]);

            assert_eq!(delete(&[stale(sticky, Some(to))], local).unwrap(), 2);
            assert_eq!(count(), [0, 1, 1]);
            let rest = [stale(node_port(30053), Some(to_node)), stale(node_port(30099), None)];
            assert_eq!(delete(&rest[..1], local).unwrap(), 1);
            assert_eq!(count(), [0, 0, 1]);
            assert_eq!(delete(&rest, local).unwrap(), 1);
            assert_eq!(count(), [0, 0, 0]);
        }
    });
}

#[test]
fn how_long_connections_are_remembered_is_set_for_this_namespace() {
    alone("connections::how_long_connections_are_remembered_is_set_for_this_namespace", || {
        // The sysctls of a namespace are there once something asks for conntrack.
        let _kernel = node();
        let secs = |what: &str| {
            let path = format!("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_{what}");
            std::fs::read_to_string(path).unwrap().trim().parse::<u32>().unwrap()
        };
        let established = secs("established");
        Timeouts { established: 0, close_wait: 3600 }.set().unwrap();
        assert_eq!((secs("established"), secs("close_wait")), (established, 3600), "0 leaves what is there");
        Timeouts { established: 86400, close_wait: 60 }.set().unwrap();
        assert_eq!((secs("established"), secs("close_wait")), (86400, 60));
    });
}
