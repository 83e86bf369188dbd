//! Where what matters in a message of ours stands: its sections, times and addresses.

use crate::dns::wire::record::{Record, Unpacked, long, question, walk};
use crate::dns::wire::reply::{Reply, Section};
use crate::dns::wire::{flag, kind, number};

/// Sets of addresses of one message whose order changes.
const SETS: usize = 8;

/// A message's plan. It has no OPT.
pub(super) struct Layout {
    /// Where records begin.
    start: u16,
    /// Where each section ends.
    ends: [u16; 3],
    pub(super) counts: [u16; 3],
    /// Where times stand.
    times: Box<[u16]>,
    /// For each set of addresses their number, their size, and where they stand.
    sets: Box<[u16]>,
    /// The shortest time of a record, in seconds.
    pub(super) least: Option<u32>,
    /// The time that its SOA allows a denial, in seconds (RFC 2308 section 5).
    pub(super) denial: Option<u32>,
}

impl Layout {
    /// `None` for a message that is broken or has an OPT record.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let (.., start) = question(message)?;
        let mut reading = Reading::new(u16::try_from(start).ok()?);
        walk(message, |record| reading.add(message, &record))?;
        Some(Self {
            sets: reading.sets.iter().flat_map(Set::written).collect(),
            times: reading.times.into(),
            ..reading.layout
        })
    }

    /// Bytes beside its own.
    pub(super) fn size(&self) -> usize {
        2 * (self.times.len() + self.sets.len())
    }

    /// Sets all times.
    pub(super) fn set_times(&self, message: &mut [u8], ttl: u32) {
        for at in &self.times {
            set(message, usize::from(*at), ttl);
        }
    }

    /// Puts the records into a reply to the same question, with all times set to `ttl` where there is one; or says that
    /// they do not fit. `turn`: addresses begin elsewhere each time. `authentic`: the client wants to know whether they
    /// were validated. False, and nothing added, when records stand there already.
    #[inline]
    pub(super) fn copy(
        &self,
        message: &[u8],
        reply: &mut Reply<'_>,
        ttl: Option<u32>,
        turn: Option<u32>,
        authentic: bool,
    ) -> bool {
        let start = usize::from(self.start);
        // Pointers in the records count from the message's start.
        if reply.position() != start {
            return false;
        }
        let shown = if authentic { flag::RA | flag::AD } else { flag::RA };
        reply.set(number(message, 2).unwrap_or(0) & shown);
        let end = self.fits(reply.left(), start);
        let mut from = start;
        let sections = [Section::Answer, Section::Authority, Section::Additional];
        for (at, section) in sections.into_iter().enumerate() {
            let to = usize::from(self.ends[at]);
            if to > end || !reply.push(section, &message[from..to], self.counts[at]) {
                break;
            }
            from = to;
        }
        if end == start && usize::from(self.ends[1]) > start {
            reply.truncate();
        }
        let added = reply.added(start);
        if let Some(ttl) = ttl {
            for at in self.times.iter().map(|at| usize::from(*at)).take_while(|at| *at < end) {
                set(added, at - start, ttl);
            }
        }
        if let Some(turn) = turn.filter(|_| !self.sets.is_empty() && end > start) {
            self.turn(message, added, turn);
        }
        true
    }

    /// Where what fits ends: everything, or all but the additional records, or the answers alone. Denials are nothing
    /// without their SOA.
    fn fits(&self, room: usize, start: usize) -> usize {
        let [answer, authority, additional] = self.ends.map(usize::from);
        let answered = if self.counts[0] > 0 && self.denial.is_none() { answer } else { authority };
        let mut ends = [additional, authority, answered].into_iter();
        ends.find(|end| end - start <= room).unwrap_or(start)
    }

    /// Lets each set of addresses begin elsewhere: only the addresses change places, whose records are alike but for them.
    fn turn(&self, message: &[u8], added: &mut [u8], turn: u32) {
        let start = usize::from(self.start);
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
                    to.copy_from_slice(&message[from..from + size]);
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
    layout: Layout,
    times: Vec<u16>,
    sets: Vec<Set>,
}

impl Reading {
    fn new(start: u16) -> Self {
        let layout = Layout {
            start,
            ends: [start; 3],
            counts: [0; 3],
            times: Box::default(),
            sets: Box::default(),
            least: None,
            denial: None,
        };
        Self { layout, times: Vec::new(), sets: Vec::new() }
    }

    fn add(&mut self, message: &[u8], record: &Record) -> Option<()> {
        if record.kind == kind::OPT {
            return None;
        }
        let section = record.section as usize;
        let layout = &mut self.layout;
        layout.ends[section..].fill(u16::try_from(record.data.end).ok()?);
        layout.counts[section] += 1;
        self.times.push(u16::try_from(record.time).ok()?);
        let ttl = record.ttl(message);
        layout.least = Some(layout.least.map_or(ttl, |least| least.min(ttl)));
        match record.kind {
            kind::SOA if record.section == Section::Authority => {
                let minimum = long(message, record.data.end.checked_sub(4)?)?;
                layout.denial = Some(ttl.min(minimum));
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
