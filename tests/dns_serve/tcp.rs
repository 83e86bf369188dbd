//! Queries over TCP.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::server::{PATIENCE, Site, WEB, block, edns, gist, query, until};

pub(crate) fn connect(site: &Site) -> TcpStream {
    let stream = TcpStream::connect(site.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

pub(crate) fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).unwrap();
    reply
}

/// Whether the server closed it, without another byte.
fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Ok(0)) || stream.take_error().is_ok_and(|error| error.is_some())
}

#[test]
fn what_is_cut_over_udp_is_whole_over_tcp() {
    let site = Site::plain();
    let many = query(1, "many.shop.svc.cluster.local", 1);
    assert!(gist(&site.ask(&many)).1);
    let mut stream = connect(&site);
    stream.write_all(&frame(&many)).unwrap();
    assert_eq!(gist(&receive(&mut stream)), (0, false, 100));
}

#[test]
fn many_queries_at_once_and_in_pieces_are_all_answered() {
    let site = Site::plain();
    let mut stream = connect(&site);
    let all: Vec<u8> = (0..1000).flat_map(|id| frame(&query(id, WEB, 1))).collect();
    let mut writer = stream.try_clone().unwrap();
    let thread = std::thread::spawn(move || {
        // Pieces that end anywhere.
        for piece in all.chunks(37) {
            writer.write_all(piece).unwrap();
        }
    });
    for id in 0..1000_u16 {
        let reply = receive(&mut stream);
        assert_eq!((&reply[..2], gist(&reply)), (&id.to_be_bytes()[..], (0, false, 1)));
    }
    thread.join().unwrap();
}

#[test]
fn a_client_that_has_sent_all_still_gets_its_replies() {
    let site = Site::plain();
    let mut stream = connect(&site);
    for id in 0..3 {
        stream.write_all(&frame(&query(id, WEB, 1))).unwrap();
    }
    // Half a query more.
    stream.write_all(&[0, 40, 1, 2]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    for id in 0..3 {
        assert_eq!(receive(&mut stream)[1], id);
    }
    assert!(is_closed(&mut stream));
}

#[test]
fn a_message_of_any_length_is_read() {
    let site = Site::plain();
    let mut stream = connect(&site);
    // 65,535 bytes in all: an option that nobody knows fills the rest.
    let fill = 65535 - query(1, WEB, 1).len() - 11 - 4;
    let mut options = vec![0xfd, 0xe9];
    options.extend(u16::try_from(fill).unwrap().to_be_bytes());
    options.resize(fill + 4, 7);
    let longest = edns(query(1, WEB, 1), 0, 1232, &options);
    assert_eq!(longest.len(), 65535);
    stream.write_all(&frame(&longest)).unwrap();
    assert_eq!(gist(&receive(&mut stream)), (0, false, 1));
    // What is no query: a code, or nothing; the connection goes on.
    stream.write_all(&frame(&query(2, WEB, 1)[..20])).unwrap();
    assert_eq!(gist(&receive(&mut stream)).0, 1);
    stream.write_all(&frame(b"")).unwrap();
    stream.write_all(&frame(&query(3, WEB, 1))).unwrap();
    assert_eq!(receive(&mut stream)[1], 3);
}

#[test]
fn a_silent_client_is_left_after_the_idle_time_and_told_so_before() {
    let site = Site::start(block(), |options| options.tcp_idle = Duration::from_millis(300));
    let mut stream = connect(&site);
    stream.write_all(&frame(&edns(query(1, WEB, 1), 0, 1232, &[0, 11, 0, 0]))).unwrap();
    let reply = receive(&mut stream);
    assert_eq!(reply[reply.len() - 6..], [0, 11, 0, 2, 0, 3], "in units of 100 ms");
    let begin = Instant::now();
    assert!(is_closed(&mut stream));
    assert!(begin.elapsed() >= Duration::from_millis(200));
    // One byte now and then is no query.
    let mut stream = connect(&site);
    until("closed", || {
        std::thread::sleep(Duration::from_millis(20));
        stream.write_all(&[0]).is_err()
    });
}

#[test]
fn a_client_that_takes_no_replies_holds_nobody_up() {
    let site = Site::start(block(), |options| options.tcp_idle = Duration::from_millis(500));
    let mut greedy = connect(&site);
    let many = frame(&query(1, "many.shop.svc.cluster.local", 1)).repeat(100);
    greedy.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // Until the server takes no more, for nobody takes its replies.
    while greedy.write_all(&many).is_ok() {}
    let mut stream = connect(&site);
    stream.write_all(&frame(&query(1, WEB, 1))).unwrap();
    assert_eq!(gist(&receive(&mut stream)), (0, false, 1));
    until("it is left", || site.metrics.text().contains("slipway_dns_tcp_connections 1\n"));
}

#[test]
fn the_longest_idle_connection_makes_room_for_a_new_one() {
    let site = Site::start(block(), |options| options.tcp_connections = 3);
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = connect(&site);
        stream.write_all(&frame(&query(1, WEB, 1))).unwrap();
        assert_eq!(gist(&receive(&mut stream)), (0, false, 1));
        streams.push(stream);
    }
    assert!(is_closed(&mut streams[0]) && is_closed(&mut streams[1]));
    for stream in &mut streams[2..] {
        stream.write_all(&frame(&query(1, WEB, 1))).unwrap();
        assert_eq!(gist(&receive(stream)), (0, false, 1));
    }
}

#[test]
fn a_stop_answers_what_had_come_and_closes_idle_connections() {
    let mut site = Site::plain();
    let (mut idle, mut busy) = (connect(&site), connect(&site));
    for stream in [&mut idle, &mut busy] {
        stream.write_all(&frame(&query(1, WEB, 1))).unwrap();
        receive(stream);
    }
    for id in 0..200 {
        busy.write_all(&frame(&query(id, WEB, 1))).unwrap();
    }
    let begin = Instant::now();
    site.running.take().unwrap().stop(PATIENCE);
    assert!(begin.elapsed() < PATIENCE / 2);
    for id in 0..200_u16 {
        assert_eq!(receive(&mut busy)[..2], id.to_be_bytes());
    }
    assert!(is_closed(&mut busy) && is_closed(&mut idle));
    assert!(TcpStream::connect(site.address).is_err());
}
