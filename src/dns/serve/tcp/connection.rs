//! One TCP connection: queries one after the other, replies as they are ready (RFC 7766).

use std::net::SocketAddr;
use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{LARGEST, Place};
use crate::dns::serve::active::Entry;
use crate::dns::serve::desk::{Arrival, Taken};
use crate::dns::serve::jobs::{Job, Way};
use crate::dns::serve::transfer;

/// Queries of one connection that may wait for upstreams; beyond, no more are read.
const UNDER_WAY: usize = 128;
/// Bytes of replies that may wait for the client to take them; beyond, no more queries are read.
const WAITING: usize = 256 << 10;
/// Bytes that are read at once.
const CHUNK: usize = 4096;

/// A connection.
pub(super) struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    entry: Entry,
    place: Place,
    /// What came and was not yet taken, from [`Self::taken`] on.
    input: Vec<u8>,
    taken: usize,
    /// What is to be sent, from [`Self::sent`] on.
    output: Vec<u8>,
    sent: usize,
    /// Queries that wait for upstreams.
    under_way: usize,
    replies: mpsc::Receiver<Vec<u8>>,
    reply: mpsc::Sender<Vec<u8>>,
    /// The client sends no more.
    ended: bool,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr, entry: Entry, place: Place) -> Self {
        let (reply, replies) = mpsc::channel(UNDER_WAY);
        Self {
            stream,
            peer,
            entry,
            place,
            input: Vec::new(),
            taken: 0,
            output: Vec::new(),
            sent: 0,
            under_way: 0,
            replies,
            reply,
            ended: false,
        }
    }

    /// Serves until the client is done or silent for too long.
    pub(super) async fn serve(mut self) {
        let idle = self.place.house.limits.idle;
        let timer = tokio::time::sleep(idle);
        tokio::pin!(timer);
        while self.work().is_continue() {
            let waits = self.under_way > 0;
            let (full, pending) = (self.is_full(), self.pending() > 0);
            self.place.guest.idle.set(!waits && !pending);
            let guest = self.place.guest.clone();
            tokio::select! {
                biased;
                Some(reply) = self.replies.recv(), if waits => self.take_reply(&reply),
                ready = self.stream.writable(), if pending => if ready.is_err() { return },
                ready = self.stream.readable(), if !full && !self.ended => if ready.is_err() { return },
                () = guest.look.notified() => if self.has_to_go() { return },
                () = timer.as_mut() => {
                    let until = guest.active.get() + idle;
                    // Who waits for us is not idle; who does not take what he asked for is.
                    if Instant::now() >= until && (pending || !waits) {
                        return;
                    }
                    timer.as_mut().reset(until.max(Instant::now() + idle / 4).into());
                }
            }
        }
    }

    /// Reads, answers and writes what can be without waiting.
    fn work(&mut self) -> ControlFlow<()> {
        while let Ok(reply) = self.replies.try_recv() {
            self.take_reply(&reply);
        }
        loop {
            self.read()?;
            self.answer();
            self.write()?;
            if self.is_full() || !self.has_whole_query() {
                break;
            }
        }
        let done = self.ended && self.under_way == 0 && self.pending() == 0;
        if done && !self.has_whole_query() {
            return Break(());
        }
        // Who waits needs no memory.
        if self.taken == self.input.len() {
            self.input = Vec::new();
            self.taken = 0;
        }
        if self.pending() == 0 {
            self.output = Vec::new();
        }
        Continue(())
    }

    fn read(&mut self) -> ControlFlow<()> {
        // What waits at the end is still answered.
        let last = self.place.house.ending.deadline().is_some();
        while !self.ended && !self.is_full() && !self.has_whole_query() {
            if self.taken > 0 {
                self.input.drain(..std::mem::take(&mut self.taken));
            }
            let begin = self.input.len();
            self.input.resize(begin + CHUNK, 0);
            let read = self.stream.try_read(&mut self.input[begin..]);
            self.input.truncate(begin + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.ended |= last;
                    break;
                }
                Err(_) => return Break(()),
            }
        }
        Continue(())
    }

    /// Answers every whole query that there is room for.
    fn answer(&mut self) {
        if !self.has_whole_query() || self.is_full() {
            return;
        }
        let house = self.place.house.clone();
        let (mut desk, mut room) = (house.desk.borrow_mut(), house.room.borrow_mut());
        let moment = desk.common().clock.now();
        let before = (self.output.len(), self.under_way);
        while !self.is_full()
            && let Some(length) = self.whole_query()
        {
            let begin = self.taken + 2;
            self.taken = begin + length;
            let message = &self.input[begin..begin + length];
            let (client, entry) = (self.peer, self.entry);
            let arrival = Arrival { message, cut: false, client, entry, tcp: true, moment };
            match desk.take(&arrival, &mut room) {
                Taken::Send(length) => frame(&mut self.output, &room[..length]),
                Taken::Silent => {}
                Taken::Transfer(chosen) => {
                    for message in transfer::messages(desk.serving(), chosen, message) {
                        frame(&mut self.output, &message);
                    }
                }
                Taken::Later(later) => {
                    if let Some(length) = later.replied {
                        frame(&mut self.output, &room[..length]);
                    }
                    let waits = later.replied.is_none();
                    let job = Job::new(&arrival, later, desk.serving().clone(), Way::Tcp(self.reply.clone()));
                    match desk.submit(job, &mut room) {
                        Ok(()) => self.under_way += usize::from(waits),
                        Err(length) => frame(&mut self.output, &room[..length]),
                    }
                }
            }
        }
        // What gets no answer does not keep a connection open.
        if (self.output.len(), self.under_way) != before {
            self.place.guest.active.set(moment.at);
        }
        desk.took(u64::try_from(moment.at.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }

    fn write(&mut self) -> ControlFlow<()> {
        while self.pending() > 0 {
            match self.stream.try_write(&self.output[self.sent..]) {
                Ok(0) => return Break(()),
                Ok(sent) => {
                    self.sent += sent;
                    self.place.guest.active.set(Instant::now());
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Continue(()),
                Err(_) => return Break(()),
            }
        }
        self.output.clear();
        self.sent = 0;
        Continue(())
    }

    fn take_reply(&mut self, reply: &[u8]) {
        self.under_way = self.under_way.saturating_sub(1);
        frame(&mut self.output, reply);
    }

    /// Whether it is to make room, and nothing is under way.
    fn has_to_go(&mut self) -> bool {
        self.place.guest.leave.get() && self.under_way == 0 && self.pending() == 0
    }

    fn pending(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Whether no more queries are taken for now.
    fn is_full(&self) -> bool {
        self.under_way >= UNDER_WAY || self.pending() >= WAITING
    }

    fn has_whole_query(&self) -> bool {
        self.whole_query().is_some()
    }

    /// The length of the next message, when all of it is there.
    fn whole_query(&self) -> Option<usize> {
        let rest = self.input.get(self.taken..)?;
        let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
        (rest.len() >= length + 2).then_some(length)
    }
}

/// A message after its length (RFC 1035 section 4.2.2).
fn frame(output: &mut Vec<u8>, message: &[u8]) {
    let length = u16::try_from(message.len().min(LARGEST)).unwrap_or(u16::MAX);
    output.extend(length.to_be_bytes());
    output.extend(&message[..usize::from(length)]);
}
