use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use slipway::l4::desired::{Exposed, Place, Proxied};
use slipway::l4::ruleset::{Frontend, Protocol};
use slipway::l4::userspace::{Cause, Options};

use crate::site::{Site, ask, asked, eventually, fresh, named, named_on, proxied, target, tcp};

#[test]
fn without_an_endpoint_the_kernel_refuses() {
    let mut site = Site::new();
    let (at, one) = (fresh(), named());
    let refused = || TcpStream::connect(at).map(drop).map_err(|error| error.kind());
    assert_eq!(site.set("web", vec![tcp(at, &[])]), []);
    assert_eq!(refused(), Err(ErrorKind::ConnectionRefused));
    for _ in 0..20 {
        site.set("web", vec![tcp(at, &[one.address])]);
        assert_eq!(ask(at), Some(one.address.port()));
        site.set("web", vec![tcp(at, &[])]);
        assert_eq!(refused(), Err(ErrorKind::ConnectionRefused));
    }
    // Endpoints elsewhere, but none of those that policy Local leaves.
    let elsewhere = Proxied { internal_local: true, ..tcp(at, &[one.address]) };
    site.set("web", vec![elsewhere.clone()]);
    assert_eq!(refused(), Err(ErrorKind::ConnectionRefused));
    site.set("web", vec![Proxied { local: [target(one.address)].into(), ..elsewhere }]);
    assert_eq!(ask(at), Some(one.address.port()));
}

#[test]
fn what_cannot_be_listened_on_is_told_and_the_rest_goes_on() {
    let mut site = Site::new();
    let (at, one) = (fresh(), named());
    let away: SocketAddr = "192.0.2.10:80".parse().unwrap();
    let taken = fresh();
    let other = TcpListener::bind(taken).unwrap();
    let mut port = tcp(at, &[one.address]);
    let place = |at: SocketAddr, protocol| {
        let frontend = Frontend { address: at.ip(), protocol, port: at.port() };
        Exposed { kind: Place::ExternalIp, frontend }
    };
    port.frontends.extend([place(away, Protocol::Tcp), place(taken, Protocol::Tcp)]);
    let mut second = tcp("192.0.2.10:443".parse().unwrap(), &[one.address]);
    second.port = "tls".into();
    let mut third = proxied(Protocol::Sctp, Place::ClusterIp, fresh(), &[one.address]);
    third.port = "sctp".into();
    let refused = site.set("web", vec![port, second, third]);
    let told: Vec<(&str, Cause, usize)> = refused
        .iter()
        .map(|refused| (&*refused.service.name, refused.cause.clone(), refused.frontends.len()))
        .collect();
    assert_eq!(told, [("web", Cause::NotHere, 2), ("web", Cause::Taken, 1), ("web", Cause::Sctp, 1)]);
    assert_eq!(ask(at), Some(one.address.port()));
    // Once the other program has gone it is listened on, without another update.
    drop(other);
    eventually("the port is taken over", || ask(taken));
    assert!(!site.proxy.refused().iter().any(|refused| refused.cause == Cause::Taken));
}

#[test]
fn only_clients_in_the_source_ranges_get_through_at_load_balancer_addresses() {
    let mut site = Site::new();
    let (at, node, one) = (fresh(), fresh(), named());
    let mut port = proxied(Protocol::Tcp, Place::LoadBalancer, at, &[one.address]);
    let frontend = Frontend { address: node.ip(), protocol: Protocol::Tcp, port: node.port() };
    port.frontends.push(Exposed { kind: Place::ExternalIp, frontend });
    let ranges = |text: &str| Some(vec![text.parse().unwrap()]);
    site.set("web", vec![Proxied { source_ranges: ranges("10.0.0.0/8"), ..port.clone() }]);
    assert_eq!((ask(at), ask(node)), (None, Some(one.address.port())));
    assert_eq!(one.accepted.load(Ordering::SeqCst), 1);
    site.set("web", vec![Proxied { source_ranges: ranges("127.0.0.0/8"), ..port }]);
    assert_eq!(ask(at), Some(one.address.port()));
}

#[test]
fn node_ports_are_on_all_addresses_or_those_asked_for() {
    let one = named();
    let node_port = |number| {
        proxied(Protocol::Tcp, Place::NodePort, SocketAddr::from(([0, 0, 0, 0], number)), &[one.address])
    };
    let [first, second] = [fresh(), fresh()];
    let mut all = Site::new();
    all.set("web", vec![node_port(first.port())]);
    assert!(ask(first).is_some() && ask(SocketAddr::new(second.ip(), first.port())).is_some());
    let one_address = vec![ipnet::IpNet::from(first.ip())];
    let mut some = Site::with(Options { workers: 1, node_ports: one_address, ..Options::default() });
    some.set("web", vec![node_port(second.port())]);
    let [at, elsewhere] = [first.ip(), second.ip()].map(|ip| SocketAddr::new(ip, second.port()));
    assert!(ask(at).is_some() && ask(elsewhere).is_none());
    some.proxy.set_node_ports(&[second.ip().into()]);
    some.set("other", vec![tcp(fresh(), &[one.address])]);
    assert!(ask(at).is_none() && ask(elsewhere).is_some());
}

#[test]
fn both_families_are_served() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    let mut site = Site::new();
    let six = named_on("::1".parse().unwrap());
    let at = SocketAddr::new("::1".parse().unwrap(), fresh().port());
    assert_eq!(site.set("web", vec![tcp(at, &[six.address])]), []);
    assert_eq!(ask(at), Some(six.address.port()));
    let four = SocketAddr::from(([127, 0, 0, 1], at.port()));
    assert!(TcpListener::bind(four).is_ok(), "the other family is left alone");
}

#[test]
fn an_address_may_pass_from_one_service_to_another() {
    let mut site = Site::new();
    let (at, one, two) = (fresh(), named(), named());
    site.set("first", vec![tcp(at, &[one.address])]);
    for round in 0..20 {
        let (from, to, named) =
            if round % 2 == 0 { ("first", "second", &two) } else { ("second", "first", &one) };
        // Both in one update: the old owner loses its port in the same step.
        let unused = fresh();
        site.set(from, vec![tcp(unused, &[one.address])]);
        assert_eq!(site.set(to, vec![tcp(at, &[named.address])]), []);
        assert_eq!(ask(at), Some(named.address.port()));
    }
}

#[test]
fn many_updates_a_second_break_no_connection() {
    let mut site = Site::new();
    let (at, endpoints) = (fresh(), [named(), named()]);
    site.set("web", vec![tcp(at, &[endpoints[0].address])]);
    let (done, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let (done, asked) = (done.clone(), asked.clone());
            std::thread::spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    ask(at).expect("there is always an endpoint");
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let mut round = 0;
    while asked.load(Ordering::SeqCst) < 300 || round < 1000 {
        site.set("web", vec![tcp(at, &[endpoints[round % 2].address])]);
        // Others come and go meanwhile.
        let other =
            if round % 4 < 2 { vec![tcp(fresh_fixed(), &[endpoints[0].address])] } else { Vec::new() };
        site.set("other", other);
        round += 1;
        assert!(clients.iter().all(|client| !client.is_finished()), "a client was refused");
    }
    done.store(true, Ordering::SeqCst);
    clients.into_iter().for_each(|client| client.join().unwrap());
}

fn fresh_fixed() -> SocketAddr {
    static ONE: std::sync::OnceLock<SocketAddr> = std::sync::OnceLock::new();
    *ONE.get_or_init(fresh)
}

#[test]
fn dropping_it_stops_accepting_and_lets_connections_end() {
    let mut site = Site::new();
    let (at, one) = (fresh(), named());
    site.set("web", vec![tcp(at, &[one.address])]);
    let (mut old, _) = asked(at).unwrap();
    drop(site);
    eventually("nobody accepts", || ask(at).is_none().then_some(()));
    old.write_all(b"echo").unwrap();
    let mut echo = [0; 4];
    old.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"echo");
}
