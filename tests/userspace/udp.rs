use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use slipway::l4::desired::{Place, Proxied};
use slipway::l4::ruleset::Protocol;
use slipway::l4::userspace::Options;

use crate::site::{Site, eventually, fresh, named_udp, proxied, udp};

fn client(at: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((if at.is_ipv4() { "127.0.0.1" } else { "::1" }, 0)).unwrap();
    socket.connect(at).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket
}

/// Sends a datagram and says which endpoint answered; a connected socket takes answers from the right address only.
fn ask(socket: &UdpSocket, text: &[u8]) -> Option<u16> {
    socket.send(text).ok()?;
    let mut buffer = vec![0; 65536];
    let count = socket.recv(&mut buffer).ok()?;
    assert_eq!(&buffer[2..count], text);
    Some(u16::from_be_bytes([buffer[0], buffer[1]]))
}

#[test]
fn a_client_stays_at_its_endpoint_and_clients_spread() {
    let mut site = Site::new();
    let (at, endpoints) = (fresh(), [named_udp(), named_udp()]);
    assert_eq!(site.set("dns", vec![udp(at, &endpoints.each_ref().map(|named| named.address))]), []);
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        let client = client(at);
        let first = ask(&client, b"one").unwrap();
        for _ in 0..5 {
            assert_eq!(ask(&client, b"two"), Some(first));
        }
        seen.insert(first);
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn affinity_holds_for_all_sockets_of_a_client() {
    let mut site = Site::new();
    let (at, endpoints) = (fresh(), [named_udp(), named_udp(), named_udp()]);
    let port = udp(at, &endpoints.each_ref().map(|named| named.address));
    site.set("dns", vec![Proxied { affinity: Some(60), ..port }]);
    let seen: BTreeSet<_> = (0..20).map(|_| ask(&client(at), b"x").unwrap()).collect();
    assert_eq!(seen.len(), 1);
}

#[test]
fn a_flow_moves_on_when_its_endpoint_leaves() {
    let mut site = Site::new();
    let (at, one, two) = (fresh(), named_udp(), named_udp());
    site.set("dns", vec![udp(at, &[one.address])]);
    let client = client(at);
    assert_eq!(ask(&client, b"x"), Some(one.address.port()));
    site.set("dns", vec![udp(at, &[one.address, two.address])]);
    assert_eq!(ask(&client, b"x"), Some(one.address.port()), "it is still there");
    site.set("dns", vec![udp(at, &[two.address])]);
    assert_eq!(ask(&client, b"x"), Some(two.address.port()));
}

#[test]
fn a_flow_moves_on_when_nobody_is_there_any_more() {
    let mut site = Site::new();
    let (at, one, two) = (fresh(), named_udp(), named_udp());
    site.set("dns", vec![udp(at, &[one.address])]);
    let client = client(at);
    assert_eq!(ask(&client, b"x"), Some(one.address.port()));
    site.set("dns", vec![udp(at, &[one.address, two.address])]);
    drop(one);
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    // The first datagram finds out, a later one goes elsewhere.
    let port = eventually("the other endpoint answers", || ask(&client, b"x"));
    assert_eq!(port, two.address.port());
}

#[test]
fn without_an_endpoint_the_kernel_refuses_and_with_one_the_client_goes_on() {
    let mut site = Site::new();
    let (at, one) = (fresh(), named_udp());
    site.set("dns", vec![udp(at, &[])]);
    let client = client(at);
    client.send(b"x").unwrap();
    assert_eq!(client.recv(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    for _ in 0..20 {
        assert_eq!(site.set("dns", vec![udp(at, &[one.address])]), []);
        assert_eq!(ask(&client, b"x"), Some(one.address.port()));
        site.set("dns", vec![udp(at, &[])]);
        client.send(b"x").unwrap();
        assert_eq!(client.recv(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

#[test]
fn large_and_empty_datagrams_pass() {
    let mut site = Site::new();
    let (at, one) = (fresh(), named_udp());
    site.set("dns", vec![udp(at, &[one.address])]);
    let client = client(at);
    for length in [0, 1, 1400, 9000, 60_000] {
        assert_eq!(ask(&client, &vec![7; length]), Some(one.address.port()), "{length}");
    }
}

#[test]
fn answers_leave_from_the_address_the_question_came_to() {
    let mut site = Site::new();
    let one = named_udp();
    let port = fresh().port();
    let any = SocketAddr::from(([0, 0, 0, 0], port));
    assert_eq!(site.set("dns", vec![proxied(Protocol::Udp, Place::NodePort, any, &[one.address])]), []);
    for last in [1, 2, 3] {
        // The client's socket is connected: it gets nothing from another address.
        let client = client(SocketAddr::from(([127, 0, 5, last], port)));
        assert_eq!(ask(&client, b"x"), Some(one.address.port()));
    }
}

#[test]
fn clients_outside_the_source_ranges_get_no_answer() {
    let mut site = Site::new();
    let (at, one) = (fresh(), named_udp());
    let port = proxied(Protocol::Udp, Place::LoadBalancer, at, &[one.address]);
    site.set(
        "dns",
        vec![Proxied { source_ranges: Some(vec!["10.0.0.0/8".parse().unwrap()]), ..port.clone() }],
    );
    let client = client(at);
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert_eq!(ask(&client, b"x"), None);
    site.set("dns", vec![Proxied { source_ranges: Some(vec!["127.0.0.0/8".parse().unwrap()]), ..port }]);
    assert_eq!(eventually("it is let in", || ask(&client, b"x")), one.address.port());
}

#[test]
fn idle_flows_end_and_their_number_is_bounded() {
    let mut site = Site::with(Options {
        workers: 1,
        udp_flows: 8,
        udp_idle: Duration::from_millis(300),
        ..Options::default()
    });
    let (at, one) = (fresh(), named_udp());
    site.set("dns", vec![udp(at, &[one.address])]);
    let before = connected_to(one.address);
    let clients: Vec<UdpSocket> = (0..50).map(|_| client(at)).collect();
    for client in &clients {
        assert_eq!(ask(client, b"x"), Some(one.address.port()));
    }
    if cfg!(target_os = "linux") {
        eventually("all but 8 are closed", || (connected_to(one.address) <= before + 8).then_some(()));
        eventually("idle ones are closed", || (connected_to(one.address) <= before).then_some(()));
    }
    assert_eq!(ask(&clients[0], b"x"), Some(one.address.port()), "and the client just goes on");
}

/// How many sockets of this machine are connected to an endpoint.
fn connected_to(address: SocketAddr) -> usize {
    let wanted = format!("0100007F:{:04X}", address.port());
    let text = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
    text.lines().filter(|line| line.split_whitespace().nth(2) == Some(&wanted)).count()
}

#[test]
fn ipv6_is_served_too() {
    let Ok(endpoint) = UdpSocket::bind("[::1]:0") else {
        println!("skipped: this machine has no IPv6");
        return;
    };
    let mut site = Site::new();
    let any = SocketAddr::new("::".parse().unwrap(), fresh().port());
    let address = endpoint.local_addr().unwrap();
    assert_eq!(site.set("dns", vec![proxied(Protocol::Udp, Place::NodePort, any, &[address])]), []);
    let client = client(SocketAddr::new("::1".parse().unwrap(), any.port()));
    client.send(b"question").unwrap();
    let mut buffer = [0; 16];
    endpoint.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (count, from) = endpoint.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"question");
    endpoint.send_to(b"answer", from).unwrap();
    let count = client.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"answer");
}
