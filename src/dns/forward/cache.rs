//! What upstreams said, for as long as they allow. Shared by all threads; in shards, so that they seldom wait for each other.

mod entry;
mod shard;

use std::hash::{BuildHasher, Hasher};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::{Answer, Question};
use crate::dns::plan;
use crate::dns::wire::name::Name;
use crate::dns::wire::question::Asked;
use crate::dns::wire::reply::Reply;
use crate::dns::wire::{IN, Rcode, flag};
use crate::metrics::dns::forward::CacheFigures;
use entry::{Entry, Key, Kind};
use shard::{Limits, Shard};

/// Shards at most, a power of two.
const SHARDS: usize = 64;

/// Entries that a shard should have room for, and bytes, before there is a second one.
const SHARD_ENTRIES: usize = 64;
const SHARD_BYTES: usize = 128 << 10;

/// The longest time that SERVFAIL is kept, in seconds (RFC 2308 section 7.1).
const MAX_SERVFAIL: u32 = 300;

/// A cache for one server block.
pub struct Cache {
    plan: plan::Cache,
    random: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

/// What the cache says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// The reply's records are complete: end it with this code.
    Fresh(Rcode),
    /// The same, and it is to be asked for again behind it (`prefetch`, or `serve_stale` served what has ended).
    Refresh(Rcode),
    /// Nothing; nothing was added to the reply.
    Miss,
}

/// What time it is for caches: seconds since the start of the program, or a little before it.
pub fn seconds() -> u32 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u32::try_from(Instant::now().saturating_duration_since(*START).as_secs())
        .unwrap_or(u32::MAX)
        .saturating_add(1)
}

impl Cache {
    /// An empty cache. `bytes` bounds what it holds in memory, beside the plan's numbers of entries.
    pub fn new(plan: plan::Cache, bytes: usize) -> Self {
        let capacities = [plan.success.capacity, plan.denial.capacity];
        let smallest = capacities.into_iter().filter(|capacity| *capacity > 0).min().unwrap_or(1);
        let shards = (smallest / SHARD_ENTRIES).min(bytes / SHARD_BYTES).clamp(1, SHARDS);
        let shards = if shards.is_power_of_two() { shards } else { shards.next_power_of_two() / 2 };
        let limits = Limits {
            entries: capacities.map(|capacity| capacity / shards),
            bytes: bytes / shards,
            stale: plan.stale.map_or(0, |stale| seconds_of(stale.within)),
        };
        let shards = (0..shards).map(|_| Mutex::new(Shard::new(limits))).collect();
        Self { plan, random: RandomState::default(), shards }
    }

    /// What it was made with.
    pub fn plan(&self) -> &plan::Cache {
        &self.plan
    }

    /// Answers from the cache, with times counted down. `now` is in seconds since any fixed instant ([`seconds`]).
    /// `turn` as for zones.
    pub fn answer(&self, asked: &Asked<'_>, reply: &mut Reply<'_>, now: u32, turn: Option<u32>) -> Hit {
        let dnssec = asked.edns.is_some_and(|edns| edns.dnssec);
        let authentic = dnssec || asked.flags & flag::AD != 0;
        let unchecked = asked.flags & flag::CD != 0;
        if asked.class != IN {
            return Hit::Miss;
        }
        let key = Key { name: asked.name.as_wire(), kind: asked.kind, dnssec, unchecked };
        let hash = self.hash(&key);
        let mut shard = self.shard(hash);
        let Some(entry) = shard.look(hash, &key) else {
            shard.count_miss();
            return Hit::Miss;
        };
        let Some(left) = entry.left(now, &self.plan) else {
            shard.count_miss();
            return Hit::Miss;
        };
        if !entry.copy(reply, if self.plan.keep_ttl { entry.life } else { left }, turn, authentic) {
            return Hit::Miss;
        }
        let rcode = entry.rcode;
        let side = usize::from(entry.of != Kind::Success);
        let prefetch = entry.used(now, left, &self.plan);
        shard.count_hit(side, left == 0, prefetch);
        if prefetch { Hit::Refresh(rcode) } else { Hit::Fresh(rcode) }
    }

    /// The same for a question that is not a message. In the mode `verify` what is past its time is not found here.
    pub fn find(&self, question: &Question, now: u32) -> Option<Answer> {
        self.look(question, |entry| entry.left(now, &self.plan))
    }

    /// What is past its time but may still be served, for when upstreams fail.
    pub fn stale(&self, question: &Question, now: u32) -> Option<Answer> {
        let within = seconds_of(self.plan.stale?.within);
        let stale = self.look(question, |entry| entry.left_or_stale(now, within));
        if stale.is_some() {
            self.shard(self.hash(&Key::of(question))).count_stale();
        }
        stale
    }

    fn look(&self, question: &Question, left: impl Fn(&Entry) -> Option<u32>) -> Option<Answer> {
        let key = Key::of(question);
        let hash = self.hash(&key);
        let mut shard = self.shard(hash);
        let entry = shard.look(hash, &key)?;
        let left = left(entry)?;
        let message = entry.message(if self.plan.keep_ttl { entry.life } else { left });
        let rcode = entry.rcode;
        Some(Answer { message, rcode, upstream: None, took: std::time::Duration::ZERO, stale: left == 0 })
    }

    /// Keeps an answer.
    pub fn keep(&self, question: &Question, answer: &Answer, now: u32) {
        let _ = self.take(question, answer.clone(), now);
    }

    /// Keeps an answer, and gives it back with the time for which it is kept.
    pub fn take(&self, question: &Question, mut answer: Answer, now: u32) -> Answer {
        let zones = &self.plan.zones;
        if !zones.is_empty() && !within(&question.name, zones) {
            return answer;
        }
        let key = Key::of(question);
        let Some(mut entry) = Entry::read(&key, &answer, now) else { return answer };
        entry.life = match entry.of {
            Kind::Failure => self.plan.servfail.min(MAX_SERVFAIL),
            Kind::Success => span(&self.plan.success, entry.life),
            Kind::Denial => span(&self.plan.denial, entry.life),
        };
        if entry.of != Kind::Failure {
            answer.message = entry.message(entry.life);
        }
        let side = if entry.of == Kind::Success { &self.plan.success } else { &self.plan.denial };
        if entry.life > 0 && !within(&question.name, &side.disabled) {
            let hash = self.hash(&key);
            self.shard(hash).keep(hash, &key, entry, now);
        }
        answer
    }

    /// How many answers and denials it holds.
    pub fn entries(&self) -> (usize, usize) {
        let [success, denial] = self.figures().entries;
        (success, denial)
    }

    /// What it counted until now.
    pub fn figures(&self) -> CacheFigures {
        let mut sum = CacheFigures::default();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            sum.add(&shard.figures());
        }
        sum
    }

    /// A number for what tells entries apart. It begins by chance, so nobody outside can make them meet.
    #[inline]
    fn hash(&self, key: &Key<'_>) -> u64 {
        let mut hasher = self.random.build_hasher();
        hasher.write(key.name);
        hasher.write_u32(u32::from(key.kind) << 2 | u32::from(key.dnssec) << 1 | u32::from(key.unchecked));
        hasher.finish()
    }

    #[inline]
    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // The upper bits: the map in the shard goes by the lower ones.
        let at = usize::try_from(hash >> 48).unwrap_or(0) & (self.shards.len() - 1);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name is in one of the zones.
fn within(name: &Name, zones: &[Name]) -> bool {
    zones.iter().any(|zone| name.is_within(zone))
}

fn span(side: &plan::CacheSide, ttl: u32) -> u32 {
    ttl.min(side.max_ttl).max(side.min_ttl)
}

fn seconds_of(time: std::time::Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

impl Key<'_> {
    fn of(question: &Question) -> Key<'_> {
        let Question { name, kind, dnssec, unchecked } = question;
        Key { name: name.as_wire(), kind: *kind, dnssec: *dnssec, unchecked: *unchecked }
    }
}

/// So that a cache can be shared with whoever shows its figures.
impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("plan", &self.plan).finish_non_exhaustive()
    }
}
