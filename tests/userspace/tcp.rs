use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use slipway::l4::desired::Proxied;

use crate::site::{PATIENCE, Site, ask, asked, eventually, fresh, named, tcp};

fn counts(at: SocketAddr, times: usize) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..times {
        *counts.entry(ask(at).expect("served")).or_default() += 1;
    }
    counts
}

/// A listener and its address; accepts by hand.
fn endpoint() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A client and what the endpoint got for it.
fn pair(at: SocketAddr, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(at).unwrap();
    let (server, _) = listener.accept().unwrap();
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    (client, server)
}

#[test]
fn connections_spread_over_the_endpoints() {
    let mut site = Site::new();
    let (at, endpoints) = (fresh(), [named(), named(), named()]);
    assert_eq!(site.set("web", vec![tcp(at, &endpoints.each_ref().map(|named| named.address))]), []);
    let counts = counts(at, 300);
    assert_eq!(counts.len(), 3);
    assert!(counts.values().all(|count| (50..200).contains(count)), "{counts:?}");
}

#[test]
fn a_client_keeps_its_endpoint_while_affinity_is_on() {
    let mut site = Site::new();
    let (at, endpoints) = (fresh(), [named(), named(), named()]);
    let plain = tcp(at, &endpoints.each_ref().map(|named| named.address));
    site.set("web", vec![Proxied { affinity: Some(10_800), ..plain.clone() }]);
    let kept = counts(at, 30);
    assert_eq!(kept.len(), 1, "{kept:?}");
    let port = *kept.keys().next().unwrap();
    let others: Vec<SocketAddr> =
        endpoints.iter().map(|named| named.address).filter(|address| address.port() != port).collect();
    site.set("web", vec![Proxied { affinity: Some(10_800), ..tcp(at, &others) }]);
    let moved = counts(at, 30);
    assert!(moved.len() == 1 && !moved.contains_key(&port), "{moved:?}");
    site.set("web", vec![plain]);
    assert_eq!(counts(at, 100).len(), 3);
}

#[test]
fn affinity_ends_so_long_after_the_last_connection() {
    let mut site = Site::new();
    let (at, endpoints) = (fresh(), [named(), named()]);
    let plain = tcp(at, &endpoints.each_ref().map(|named| named.address));
    site.set("web", vec![Proxied { affinity: Some(0), ..plain }]);
    assert_eq!(counts(at, 60).len(), 2, "a timeout of nothing keeps nobody");
}

#[test]
fn each_side_may_stop_sending_first() {
    let mut site = Site::new();
    let (listener, address) = endpoint();
    let at = fresh();
    site.set("web", vec![tcp(at, &[address])]);
    for client_first in [true, false] {
        let (client, server) = pair(at, &listener);
        let (mut first, mut second) = if client_first { (client, server) } else { (server, client) };
        first.write_all(b"question").unwrap();
        first.shutdown(Shutdown::Write).unwrap();
        let mut got = String::new();
        second.read_to_string(&mut got).unwrap();
        assert_eq!(got, "question");
        second.write_all(b"a late answer").unwrap();
        drop(second);
        got.clear();
        first.read_to_string(&mut got).unwrap();
        assert_eq!(got, "a late answer");
    }
}

#[test]
fn a_reset_reaches_the_other_side() {
    let mut site = Site::new();
    let (listener, address) = endpoint();
    let at = fresh();
    site.set("web", vec![tcp(at, &[address])]);
    for (client_resets, half_closed) in [(true, false), (false, false), (true, true), (false, true)] {
        let (client, server) = pair(at, &listener);
        let (mut one, mut other) = if client_resets { (client, server) } else { (server, client) };
        if half_closed {
            one.shutdown(Shutdown::Write).unwrap();
            assert_eq!(other.read(&mut [0]).unwrap(), 0);
        }
        socket2::SockRef::from(&one).set_linger(Some(Duration::ZERO)).unwrap();
        let _ = one.flush();
        drop(one);
        if half_closed {
            eventually("writing fails", || other.write_all(b"x").err());
        } else {
            assert_eq!(other.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
    }
}

/// Writes until nothing more is taken for a while; says how much was.
fn stuff(stream: &mut TcpStream, limit: usize) -> usize {
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let block: Vec<u8> = (0..1 << 16).map(|at: u32| (at % 251) as u8).collect();
    let mut sent = 0;
    while sent < limit {
        let at = sent % block.len();
        match stream.write(&block[at..(at + limit - sent).min(block.len())]) {
            Ok(count) => sent += count,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                break;
            }
        }
    }
    sent
}

#[test]
fn a_slow_reader_holds_the_sender_back_and_gets_everything() {
    const ALL: usize = 100 << 20;
    let mut site = Site::new();
    let (listener, address) = endpoint();
    let at = fresh();
    site.set("web", vec![tcp(at, &[address])]);
    let (mut client, mut server) = pair(at, &listener);
    let held = stuff(&mut client, ALL);
    assert!(held < ALL / 2, "{held} bytes were taken that nobody read");
    let writer = std::thread::spawn(move || {
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        let block: Vec<u8> = (0..1 << 16).map(|at: u32| (at % 251) as u8).collect();
        let mut sent = held;
        while sent < ALL {
            let at = sent % block.len();
            sent += client.write(&block[at..(at + ALL - sent).min(block.len())]).unwrap();
        }
    });
    let (mut read, mut buffer) = (0, vec![0; 100_000]);
    loop {
        let count = server.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        assert!(
            buffer[..count]
                .iter()
                .enumerate()
                .all(|(at, byte)| *byte == ((read + at) % (1 << 16) % 251) as u8)
        );
        read += count;
    }
    writer.join().unwrap();
    assert_eq!(read, ALL);
}

#[test]
fn a_reset_is_noticed_though_the_other_side_does_not_read() {
    let mut site = Site::new();
    let (listener, address) = endpoint();
    let at = fresh();
    site.set("web", vec![tcp(at, &[address])]);
    let (mut client, server) = pair(at, &listener);
    stuff(&mut client, 100 << 20);
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    eventually("the endpoint is told", || server.take_error().unwrap());
}

#[test]
fn an_endpoint_that_left_gets_no_new_connections_and_keeps_the_old_ones() {
    let mut site = Site::new();
    let (at, one, two) = (fresh(), named(), named());
    site.set("web", vec![tcp(at, &[one.address])]);
    let (mut old, port) = asked(at).unwrap();
    assert_eq!(port, one.address.port());
    site.set("web", vec![tcp(at, &[two.address])]);
    assert_eq!(counts(at, 20).into_keys().collect::<Vec<_>>(), [two.address.port()]);
    old.write_all(b"still here").unwrap();
    let mut echo = [0; 10];
    old.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"still here");
    // The old connection even outlives the Service.
    site.set("web", Vec::new());
    assert_eq!(ask(at), None);
    old.write_all(b"still here").unwrap();
    old.read_exact(&mut echo).unwrap();
}

#[test]
fn another_endpoint_is_tried_when_one_does_not_answer() {
    let mut site = Site::new();
    let (at, good) = (fresh(), named());
    let (listener, dead) = endpoint();
    drop(listener);
    // Its queue is full, so it does not even say no.
    let (silent, address) = full();
    let sticky = Proxied { affinity: Some(60), ..tcp(at, &[dead, address, good.address]) };
    site.set("web", vec![sticky.clone()]);
    for _ in 0..5 {
        assert_eq!(ask(at), Some(good.address.port()));
    }
    site.set("web", vec![Proxied { affinity: None, ..sticky }]);
    for _ in 0..10 {
        assert_eq!(ask(at), Some(good.address.port()));
    }
    drop(silent);
    // All say no: the client is told, and soon.
    site.set("web", vec![tcp(at, &[dead])]);
    let before = Instant::now();
    assert_eq!(ask(at), None);
    assert!(before.elapsed() < Duration::from_secs(5));
}

/// A listener whose queue is full: connecting to it takes for ever.
fn full() -> (Vec<TcpStream>, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut streams = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        streams.push(stream);
    }
    streams.push(socket.into());
    (streams, address)
}
