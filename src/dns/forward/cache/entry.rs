//! One answer in the cache: the message, and where its times and addresses stand.

use std::sync::Arc;

use super::{Answer, plan, seconds_of};
use crate::dns::forward::layout::Layout;
use crate::dns::wire::record::question;
use crate::dns::wire::reply::Reply;
use crate::dns::wire::{HEADER, Rcode, flag, number};

/// The time of a denial without SOA, in seconds: as CoreDNS.
const UNSAID: u32 = 5;

/// The longest time that is taken from a message.
const LONGEST: u32 = 86400;

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
    layout: Layout,
}

impl Entry {
    /// Reads an answer; its life is what the records allow. `None` for what is not to be kept.
    pub(super) fn read(key: &Key<'_>, answer: &Answer, now: u32) -> Option<Self> {
        let message = &answer.message;
        if number(message, 2)? & flag::TC != 0 || message.len() > usize::from(u16::MAX) {
            return None;
        }
        let (name, asked, ..) = question(message)?;
        if !name.is(key.name) || asked != key.kind {
            return None;
        }
        let layout = Layout::read(message)?;
        let of = match answer.rcode {
            Rcode::NOERROR if layout.counts[0] > 0 => Kind::Success,
            Rcode::NOERROR | Rcode::NXDOMAIN => Kind::Denial,
            Rcode::SERVFAIL => Kind::Failure,
            _ => return None,
        };
        let life = match of {
            Kind::Success => layout.least.unwrap_or(0),
            Kind::Denial => layout.least.map_or(UNSAID, |least| least.min(layout.denial.unwrap_or(UNSAID))),
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
            layout,
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
        size_of::<Self>() + 64 + self.message.len() + self.layout.size()
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
            self.layout.set_times(bytes, ttl);
        }
        message
    }

    /// Puts the records into a reply; see [`Layout::copy`].
    #[inline]
    pub(super) fn copy(&self, reply: &mut Reply<'_>, ttl: u32, turn: Option<u32>, authentic: bool) -> bool {
        self.layout.copy(&self.message, reply, Some(ttl), turn, authentic)
    }
}
