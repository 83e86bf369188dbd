//! Clients: what becomes of a connection.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::net::{Net, Side};

/// How long an answer may take before it counts as none.
const ANSWER: Duration = Duration::from_millis(700);

/// How long a change may take. Only what is broken takes that long.
const PATIENCE: Duration = Duration::from_secs(20);

/// What became of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// A server answered: its name, and the address it saw.
    Answered(String, IpAddr),
    /// Nobody is there, told at once.
    Refused,
    /// Nothing was heard.
    Silence,
}

use Outcome::{Answered, Refused, Silence};

impl Outcome {
    /// The server's name.
    pub(super) fn name(&self) -> &str {
        match self {
            Answered(name, _) => name,
            other => panic!("no server answered: {other:?}"),
        }
    }
}

fn answered(line: &str) -> Outcome {
    let (name, seen) = line.trim().split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
    Answered(name.to_owned(), seen.parse().unwrap())
}

/// Connects once over TCP.
pub(super) fn tcp(net: &Net, from: Side, to: SocketAddr) -> Outcome {
    net.on(from, move || match TcpStream::connect_timeout(&to, ANSWER) {
        Ok(stream) => {
            stream.set_read_timeout(Some(ANSWER)).unwrap();
            let mut line = String::new();
            match BufReader::new(stream).read_line(&mut line) {
                Ok(count) if count > 0 => answered(&line),
                other => panic!("connected to {to}, but no answer: {other:?}"),
            }
        }
        Err(why) => missed(why.kind()),
    })
}

/// Asks once over UDP, from any port.
pub(super) fn udp(net: &Net, from: Side, to: SocketAddr) -> Outcome {
    let own = SocketAddr::new(from.address(to.ip()), 0);
    net.on(from, move || ask(&UdpSocket::bind(own).unwrap(), to))
}

/// Asks once over UDP with that socket.
pub(super) fn ask(socket: &UdpSocket, to: SocketAddr) -> Outcome {
    socket.set_read_timeout(Some(ANSWER)).unwrap();
    socket.connect(to).unwrap();
    let mut bytes = [0; 512];
    let sent = socket.send(b"hello").and_then(|_| socket.recv(&mut bytes));
    match sent {
        Ok(count) => answered(std::str::from_utf8(&bytes[..count]).unwrap()),
        Err(why) => missed(why.kind()),
    }
}

fn missed(why: ErrorKind) -> Outcome {
    match why {
        // What a node may not send itself is told to it in another word.
        ErrorKind::ConnectionRefused | ErrorKind::PermissionDenied => Refused,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Silence,
        other => panic!("{other}"),
    }
}

/// Both protocols.
pub(super) fn both(net: &Net, from: Side, to: SocketAddr) -> [Outcome; 2] {
    [tcp(net, from, to), udp(net, from, to)]
}

/// Whose address a server sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The client's.
    Kept,
    /// The node's.
    Masqueraded,
}

impl Source {
    fn of(net: &Net, from: Side, seen: IpAddr) -> Self {
        if net.node_addresses().contains(&seen) {
            return Self::Masqueraded;
        }
        assert_eq!(seen, from.address(seen), "neither the client's address nor the node's");
        Self::Kept
    }
}

/// The names of the servers of some connections, over TCP and UDP alike. All must be answered, and see `source`.
pub(super) fn servers(net: &Net, from: Side, to: SocketAddr, source: Source) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for _ in 0..12 {
        for outcome in both(net, from, to) {
            let Answered(name, seen) = outcome else { panic!("{from:?} to {to}: {outcome:?}") };
            assert_eq!(Source::of(net, from, seen), source, "{from:?} to {to}: {name} saw {seen}");
            names.insert(name);
        }
    }
    names
}

/// Waits until it is so. What does not come is told with what there was instead.
pub(super) fn until<T: std::fmt::Debug>(what: &str, look: impl Fn() -> T, so: impl Fn(&T) -> bool) -> T {
    let begun = Instant::now();
    loop {
        let now = look();
        if so(&now) {
            return now;
        }
        assert!(begun.elapsed() < PATIENCE, "not so: {what}; but {now:?}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
