//! One answer in the cache: the message, and where its times and addresses stand.

use std::sync::Arc;

use super::{Answer, plan, seconds_of};
use crate::dns::wire::record::{Record, Unpacked, long, question, walk};
use crate::dns::wire::reply::{Reply, Section};
use crate::dns::wire::{HEADER, Rcode, flag, kind, number};

/// The time of a denial without SOA, in seconds: as CoreDNS.
const UNSAID: u32 = 5;

/// The longest time that is taken from a message.
const LONGEST: u32 = 86400;

/// Sets of addresses of one message whose order changes.
const SETS: usize = 8;

/// What tells one entry from another.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) name: &'a [u8],
    pub(super) kind: u16,
    pub(super) dnssec: bool,
    pub(super) unchecked: bool,
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Success,
    /// No such name, or nothing of that type.
    Denial,
    /// SERVFAIL; counts as a denial.
    Failure,
}

/// One answer.
pub(super) struct Entry {
    pub(super) of: Kind,
    pub(super) rcode: Rcode,
    /// For how long it is good, in seconds.
    pub(super) life: u32,
    pub(super) stored: u32,
    /// Looked at since the last search for what can go.
    pub(super) seen: bool,
    hits: u32,
    last: u32,
    /// When it was last asked for again; 0: not yet.
    again: u32,
    dnssec: bool,
    unchecked: bool,
    message: Box<[u8]>,
    /// Where each section ends.
    ends: [u16; 3],
    counts: [u16; 3],
    /// Where times stand.
    times: Box<[u16]>,
    /// For each set of addresses their number, their size, and where they stand.
    sets: Box<[u16]>,
}

impl Entry {
    /// Reads an answer; its life is what the records allow. `None` for what is not to be kept.
    pub(super) fn read(key: &Key<'_>, answer: &Answer, now: u32) -> Option<Self> {
        let message = &answer.message;
        if number(message, 2)? & flag::TC != 0 || message.len() > usize::from(u16::MAX) {
            return None;
        }
        let (name, asked, _, start) = question(message)?;
        if !name.is(key.name) || asked != key.kind {
            return None;
        }
        let mut reading = Reading::new(start);
        walk(message, |record| reading.add(message, &record))?;
        let of = match answer.rcode {
            Rcode::NOERROR if reading.counts[0] > 0 => Kind::Success,
            Rcode::NOERROR | Rcode::NXDOMAIN => Kind::Denial,
            Rcode::SERVFAIL => Kind::Failure,
            _ => return None,
        };
        let life = match of {
            Kind::Success => reading.least.unwrap_or(0),
            Kind::Denial => reading.least.map_or(UNSAID, |least| least.min(reading.denial.unwrap_or(UNSAID))),
            Kind::Failure => 0,
        };
        Some(Self {
            of,
            rcode: answer.rcode,
            life: life.min(LONGEST),
            stored: now,
            seen: false,
            hits: 0,
            last: now,
            again: 0,
            dnssec: key.dnssec,
            unchecked: key.unchecked,
            message: message[..].into(),
            ends: reading.ends,
            counts: reading.counts,
            times: reading.times.into(),
            sets: reading.sets.iter().flat_map(Set::written).collect(),
        })
    }

    /// Whether it is the answer to that question.
    #[inline]
    pub(super) fn is(&self, key: &Key<'_>) -> bool {
        let end = HEADER + key.name.len();
        self.message.get(HEADER..end) == Some(key.name)
            && number(&self.message, end) == Some(key.kind)
            && (self.dnssec, self.unchecked) == (key.dnssec, key.unchecked)
    }

    /// Bytes in memory.
    pub(super) fn size(&self) -> usize {
        // The slot, the map's place with some room, and what the allocator adds.
        size_of::<Self>() + 64 + self.message.len() + 2 * (self.times.len() + self.sets.len())
    }

    /// How long it is still good; 0 when it has ended but is served at once all the same; `None` when it is not.
    #[inline]
    pub(super) fn left(&self, now: u32, plan: &plan::Cache) -> Option<u32> {
        let within = plan.stale.filter(|stale| !stale.verify).map_or(0, |stale| seconds_of(stale.within));
        self.left_or_stale(now, within)
    }

    /// The same, where it may be served for that long after its end. A failure is not worth that.
    #[inline]
    pub(super) fn left_or_stale(&self, now: u32, within: u32) -> Option<u32> {
        let age = now.saturating_sub(self.stored);
        if age < self.life {
            return Some(self.life - age);
        }
        (self.of != Kind::Failure && age - self.life < within).then_some(0)
    }

    /// Notes a use; says whether to ask for it again behind it: when it has ended, or is in demand and about to end.
    #[inline]
    pub(super) fn used(&mut self, now: u32, left: u32, plan: &plan::Cache) -> bool {
        self.seen = true;
        let mut wanted = left == 0;
        if let Some(prefetch) = plan.prefetch {
            let pause = now.saturating_sub(self.last) > seconds_of(prefetch.within);
            self.hits = if pause { 1 } else { self.hits.saturating_add(1) };
            self.last = now;
            let share = u64::from(prefetch.percentage) * u64::from(self.life);
            wanted |=
                prefetch.amount > 0 && self.hits >= prefetch.amount && u64::from(left) <= share.div_ceil(100);
        }
        // Once a second is enough.
        let first = wanted && self.again != now;
        if first {
            self.again = now;
        }
        first
    }

    /// Goes on with what is known of the demand for its predecessor.
    pub(super) fn succeed(&mut self, former: &Self) {
        (self.hits, self.last, self.seen) = (former.hits, former.last, former.seen);
    }

    /// The message with all times set to this.
    pub(super) fn message(&self, ttl: u32) -> Arc<[u8]> {
        let mut message: Arc<[u8]> = self.message[..].into();
        if let Some(bytes) = Arc::get_mut(&mut message) {
            for at in &self.times {
                set(bytes, usize::from(*at), ttl);
            }
        }
        message
    }

    /// Puts the records into a reply, or says that they do not fit. False, and nothing added, when records stand there already.
    #[inline]
    pub(super) fn copy(&self, reply: &mut Reply<'_>, ttl: u32, turn: Option<u32>, authentic: bool) -> bool {
        let start = self.start();
        // Pointers in the records count from the message's start.
        if reply.position() != start {
            return false;
        }
        let flags = number(&self.message, 2).unwrap_or(0);
        let shown = if authentic { flag::RA | flag::AD } else { flag::RA };
        reply.set(flags & shown);
        let end = self.fits(reply.left(), start);
        let mut from = start;
        let sections = [Section::Answer, Section::Authority, Section::Additional];
        for (at, section) in sections.into_iter().enumerate() {
            let to = usize::from(self.ends[at]);
            if to > end || !reply.push(section, &self.message[from..to], self.counts[at]) {
                break;
            }
            from = to;
        }
        if end == start && usize::from(self.ends[1]) > start {
            reply.truncate();
        }
        let added = reply.added(start);
        for at in self.times.iter().map(|at| usize::from(*at)).take_while(|at| *at < end) {
            set(added, at - start, ttl);
        }
        if let Some(turn) = turn.filter(|_| !self.sets.is_empty() && end > start) {
            self.turn(added, start, turn);
        }
        true
    }

    /// Where what fits ends: everything, or all but the additional records, or the answers alone. Denials are nothing without their SOA.
    fn fits(&self, room: usize, start: usize) -> usize {
        let [answer, authority, additional] = self.ends.map(usize::from);
        let answered = if self.of == Kind::Success { answer } else { authority };
        let mut ends = [additional, authority, answered].into_iter();
        ends.find(|end| end - start <= room).unwrap_or(start)
    }

    fn start(&self) -> usize {
        let mut at = HEADER;
        while let Some(length) = self.message.get(at).filter(|length| **length != 0) {
            at += 1 + usize::from(*length);
        }
        at + 5
    }

    /// Lets each set of addresses begin elsewhere: only the addresses change places, whose records are alike but for them.
    fn turn(&self, added: &mut [u8], start: usize, turn: u32) {
        let mut rest = &self.sets[..];
        while let Some(([count, size], more)) = rest.split_first_chunk::<2>() {
            let count = usize::from(*count).min(more.len());
            let (places, after) = more.split_at(count);
            let size = usize::from(*size);
            let first = usize::try_from(turn).unwrap_or(0) % count.max(1);
            let sources = places[first..].iter().chain(&places[..first]);
            for (to, from) in places.iter().zip(sources) {
                let (to, from) = (usize::from(*to) - start, usize::from(*from));
                if let Some(to) = added.get_mut(to..to + size) {
                    to.copy_from_slice(&self.message[from..from + size]);
                }
            }
            rest = after;
        }
    }
}

#[inline]
fn set(bytes: &mut [u8], at: usize, ttl: u32) {
    if let Some(time) = bytes.get_mut(at..at + 4) {
        time.copy_from_slice(&ttl.to_be_bytes());
    }
}

/// Addresses of one name and type in the answer.
struct Set {
    owner: Unpacked,
    size: u16,
    places: Vec<u16>,
}

impl Set {
    /// Number, size, places; nothing for one address alone.
    fn written(&self) -> Vec<u16> {
        match u16::try_from(self.places.len()) {
            Ok(count) if count > 1 => [&[count, self.size][..], &self.places].concat(),
            _ => Vec::new(),
        }
    }
}

/// What is taken from a message while it is walked.
struct Reading {
    ends: [u16; 3],
    counts: [u16; 3],
    times: Vec<u16>,
    sets: Vec<Set>,
    /// The shortest time of a record.
    least: Option<u32>,
    /// The time of a denial (RFC 2308 section 5).
    denial: Option<u32>,
}

impl Reading {
    fn new(start: usize) -> Self {
        let ends = [u16::try_from(start).unwrap_or(u16::MAX); 3];
        Self { ends, counts: [0; 3], times: vec![], sets: vec![], least: None, denial: None }
    }

    fn add(&mut self, message: &[u8], record: &Record) -> Option<()> {
        let section = record.section as usize;
        self.ends[section..].fill(u16::try_from(record.data.end).ok()?);
        self.counts[section] += 1;
        if record.kind == kind::OPT {
            // Its time is none. Nothing that is kept has one.
            return None;
        }
        self.times.push(u16::try_from(record.time).ok()?);
        let ttl = record.ttl(message);
        self.least = Some(self.least.map_or(ttl, |least| least.min(ttl)));
        match record.kind {
            kind::SOA if record.section == Section::Authority => {
                let minimum = long(message, record.data.end.checked_sub(4)?)?;
                self.denial = Some(ttl.min(minimum));
            }
            kind::A | kind::AAAA if record.section == Section::Answer => self.address(message, record)?,
            _ => {}
        }
        Some(())
    }

    fn address(&mut self, message: &[u8], record: &Record) -> Option<()> {
        let owner = record.owner(message)?;
        let (size, place) = (u16::try_from(record.data.len()).ok()?, u16::try_from(record.data.start).ok()?);
        let known = self.sets.iter_mut().find(|set| set.size == size && set.owner.is(owner.as_wire()));
        if let Some(set) = known {
            set.places.push(place);
        } else if self.sets.len() < SETS {
            self.sets.push(Set { owner, size, places: vec![place] });
        }
        Some(())
    }
}
