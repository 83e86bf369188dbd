//! Queries over UDP: one thread per socket, many datagrams per system call.

#[cfg(target_os = "linux")]
mod batch;
#[cfg(not(target_os = "linux"))]
#[path = "udp/single.rs"]
mod batch;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) use batch::{ask_for_destination, send_one};

use super::active::Entry;
use super::clock::Moment;
use super::desk::{Arrival, Desk, Taken};
use super::ending::Ending;
use super::jobs::{Job, Way};
use batch::{Address, Incoming, Outgoing};

/// How many datagrams are taken at once.
const BATCH: usize = 32;
/// The longest query that is read, and the longest reply, in bytes.
const LARGEST: usize = 4096;
/// How long to wait after an error that does not pass by itself.
const PAUSE: Duration = Duration::from_millis(10);

/// Where a datagram came to: the reply leaves from there. With the interface of an address of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    V4(Ipv4Addr),
    V6(Ipv6Addr, u32),
}

/// One socket with its thread.
pub(super) struct Worker {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) address: SocketAddr,
    pub(super) entry: Entry,
    pub(super) desk: Desk,
    pub(super) ending: Ending,
}

impl Worker {
    /// Answers until told to stop, and then what is there.
    pub(super) fn run(self) {
        let wildcard = self.address.ip().is_unspecified();
        if self.address.is_ipv4() {
            Loop::<batch::V4>::new(self, wildcard).run();
        } else {
            Loop::<batch::V6>::new(self, wildcard).run();
        }
    }
}

struct Loop<A> {
    worker: Worker,
    incoming: Incoming<A>,
    outgoing: Outgoing<A>,
}

impl<A: Address> Loop<A> {
    fn new(worker: Worker, wildcard: bool) -> Self {
        Self { worker, incoming: Incoming::new(wildcard), outgoing: Outgoing::new() }
    }

    fn run(mut self) {
        let deadline = loop {
            self.turn(true);
            if let Some(deadline) = self.worker.ending.deadline() {
                break deadline;
            }
        };
        while self.turn(false) && Instant::now() < deadline {}
    }

    /// Answers what is there, or comes within a moment. False when nothing was.
    fn turn(&mut self, wait: bool) -> bool {
        match self.incoming.receive(&self.worker.socket, wait) {
            Ok(count) => {
                self.answer(count);
                true
            }
            Err(error) => {
                // What is old can go also while nobody asks.
                self.worker.desk.serving();
                rest(&error);
                false
            }
        }
    }

    fn answer(&mut self, count: usize) {
        let begin = self.worker.desk.common().clock.now();
        for index in 0..count {
            self.one(index, begin);
        }
        let took = begin.at.elapsed();
        self.worker.desk.took(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        self.outgoing.send(&self.worker.socket);
    }

    #[inline]
    fn one(&mut self, index: usize, moment: Moment) {
        let Some((message, arrived)) = self.incoming.at(index) else { return };
        let (client, entry) = (arrived.from.socket(), self.worker.entry);
        let arrival = Arrival { message, cut: arrived.cut, client, entry, tcp: false, moment };
        match self.worker.desk.take(&arrival, self.outgoing.room()) {
            Taken::Send(length) => self.outgoing.push(length, arrived.from, arrived.to),
            Taken::Silent | Taken::Transfer(_) => {}
            Taken::Later(later) => {
                if let Some(length) = later.replied {
                    self.outgoing.push(length, arrived.from, arrived.to);
                }
                let way = Way::Udp { socket: self.worker.socket.clone(), from: arrived.to };
                let job = Job::new(&arrival, later, self.worker.desk.serving().clone(), way);
                if let Err(length) = self.worker.desk.submit(job, self.outgoing.room()) {
                    self.outgoing.push(length, arrived.from, arrived.to);
                }
            }
        }
    }
}

/// Waits after an error, unless it was about a peer or only says that nothing came.
fn rest(error: &io::Error) {
    use io::ErrorKind::{
        ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkUnreachable, TimedOut,
        WouldBlock,
    };
    match error.kind() {
        WouldBlock | TimedOut | Interrupted | ConnectionRefused | ConnectionReset | HostUnreachable
        | NetworkUnreachable => {}
        _ => {
            tracing::debug!("receiving queries failed: {error}");
            std::thread::sleep(PAUSE);
        }
    }
}
