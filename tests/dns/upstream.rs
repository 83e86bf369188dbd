//! A name server for names outside, which does what a test tells it to.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// What an upstream sends for a query: whole datagrams, one after the other.
pub(crate) type Behaviour = fn(&[u8]) -> Vec<Vec<u8>>;

/// A running upstream, UDP and TCP on the same port. It ends with the test's process.
pub(crate) struct Upstream {
    pub(crate) port: u16,
    asked: Arc<AtomicUsize>,
}

impl Upstream {
    pub(crate) fn start(udp: Behaviour, tcp: Behaviour) -> Self {
        let (listener, socket) = loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) {
                break (listener, socket);
            }
        };
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        thread::spawn(move || {
            let mut query = [0; 4096];
            while let Ok((length, client)) = socket.recv_from(&mut query) {
                // The search for loops asks for HINFO.
                let addresses =
                    query[..length].get(question_end(&query) - 4..).is_some_and(|rest| rest[..2] == [0, 1]);
                count.fetch_add(usize::from(addresses), Ordering::Relaxed);
                let (socket, query) = (socket.try_clone().unwrap(), query[..length].to_vec());
                thread::spawn(move || send(&socket, client, udp(&query)));
            }
        });
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || serve(stream, tcp));
            }
        });
        Self { port, asked }
    }

    /// How to name it in a flag.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Questions for addresses that came over UDP.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn send(socket: &UdpSocket, client: SocketAddr, replies: Vec<Vec<u8>>) {
    for reply in replies {
        let _ = socket.send_to(&reply, client);
    }
}

fn serve(mut stream: std::net::TcpStream, tcp: Behaviour) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        if stream.read_exact(&mut query).is_err() {
            return;
        }
        for reply in tcp(&query) {
            let framed = [&(reply.len() as u16).to_be_bytes()[..], &reply].concat();
            if stream.write_all(&framed).is_err() {
                return;
            }
        }
    }
}

/// Where the question ends.
pub(crate) fn question_end(message: &[u8]) -> usize {
    let mut at = 12;
    while message[at] != 0 {
        at += 1 + usize::from(message[at]);
    }
    at + 5
}

/// A reply with this code and these records of the answer section (owner and all).
pub(crate) fn reply(query: &[u8], rcode: u8, answers: &[Vec<u8>]) -> Vec<u8> {
    let end = question_end(query);
    let mut message = query[..end].to_vec();
    message[2] = 0x81;
    message[3] = 0x80 | rcode;
    message[6..12].copy_from_slice(&[0, answers.len() as u8, 0, 0, 0, 0]);
    message.extend(answers.concat());
    message
}

/// An A record of the question's name.
pub(crate) fn a(address: [u8; 4]) -> Vec<u8> {
    [&b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04"[..], &address].concat()
}

/// Answers every question with 192.0.2.1.
pub(crate) fn honest(query: &[u8]) -> Vec<Vec<u8>> {
    vec![reply(query, 0, &[a([192, 0, 2, 1])])]
}

/// Says nothing.
pub(crate) fn silent(_: &[u8]) -> Vec<Vec<u8>> {
    Vec::new()
}
