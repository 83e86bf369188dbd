//! A part of the cache behind one lock: found by hash, bounded by number and bytes; what was not looked at for longest
//! goes first, roughly (CLOCK).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::entry::{Entry, Key, Kind};
use crate::metrics::dns::forward::CacheFigures;

/// Entries that are looked at to find one that can go.
const SWEEP: usize = 32;

/// What a shard may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Answers and denials.
    pub(super) entries: [usize; 2],
    pub(super) bytes: usize,
    /// How long entries are served after their end, in seconds.
    pub(super) stale: u32,
}

pub(super) struct Shard {
    limits: Limits,
    places: HashMap<u64, (u8, u32), BuildHasherDefault<Hashed>>,
    sides: [Side; 2],
    bytes: usize,
    figures: CacheFigures,
}

/// Answers, or denials.
#[derive(Default)]
struct Side {
    entries: Vec<(u64, Entry)>,
    hand: usize,
}

impl Shard {
    pub(super) fn new(limits: Limits) -> Self {
        let sides = [Side::default(), Side::default()];
        Self { limits, places: HashMap::default(), sides, bytes: 0, figures: CacheFigures::default() }
    }

    /// The entry for a question, whatever its age.
    #[inline]
    pub(super) fn look(&mut self, hash: u64, key: &Key<'_>) -> Option<&mut Entry> {
        let (side, at) = *self.places.get(&hash)?;
        let (_, entry) = self.sides[usize::from(side)].entries.get_mut(at as usize)?;
        entry.is(key).then_some(entry)
    }

    /// Puts an entry in the place of the former one for the same question, and removes what is too much then.
    pub(super) fn keep(&mut self, hash: u64, key: &Key<'_>, mut entry: Entry, now: u32) {
        let stale = self.limits.stale;
        if let Some(former) = self.look(hash, key) {
            let serves = former.left_or_stale(now, stale).is_some();
            if entry.of == Kind::Failure && former.of != Kind::Failure && serves {
                return;
            }
            entry.succeed(former);
        }
        self.remove(hash);
        let side = usize::from(entry.of != Kind::Success);
        if self.limits.entries[side] == 0 || entry.size() > self.limits.bytes {
            return;
        }
        while self.sides[side].entries.len() >= self.limits.entries[side] {
            self.evict(side, now);
        }
        while self.bytes + entry.size() > self.limits.bytes {
            let from = if self.sides[side].entries.is_empty() { 1 - side } else { side };
            if self.sides[from].entries.is_empty() {
                return;
            }
            self.evict(from, now);
        }
        self.bytes += entry.size();
        let entries = &mut self.sides[side].entries;
        let Ok(at) = u32::try_from(entries.len()) else { return };
        entries.push((hash, entry));
        self.places.insert(hash, (u8::from(side == 1), at));
    }

    /// Removes what has ended or was not looked at since the hand came by last.
    fn evict(&mut self, side: usize, now: u32) {
        let Side { entries, hand } = &mut self.sides[side];
        for _ in 0..SWEEP {
            if *hand >= entries.len() {
                *hand = 0;
            }
            let (_, entry) = &mut entries[*hand];
            if !entry.seen || entry.left_or_stale(now, self.limits.stale).is_none() {
                break;
            }
            entry.seen = false;
            *hand += 1;
        }
        if *hand >= entries.len() {
            *hand = 0;
        }
        let hash = entries[*hand].0;
        self.figures.evictions[side] += 1;
        self.remove(hash);
    }

    fn remove(&mut self, hash: u64) {
        let Some((side, at)) = self.places.remove(&hash) else { return };
        let entries = &mut self.sides[usize::from(side)].entries;
        let (_, gone) = entries.swap_remove(at as usize);
        self.bytes -= gone.size();
        if let Some((moved, _)) = entries.get(at as usize) {
            self.places.insert(*moved, (side, at));
        }
    }

    #[inline]
    pub(super) fn count_miss(&mut self) {
        self.figures.misses += 1;
    }

    #[inline]
    pub(super) fn count_hit(&mut self, side: usize, stale: bool, prefetch: bool) {
        self.figures.hits[side] += 1;
        self.figures.stale += u64::from(stale);
        self.figures.prefetches += u64::from(prefetch && !stale);
    }

    pub(super) fn count_stale(&mut self) {
        self.figures.stale += 1;
    }

    pub(super) fn figures(&self) -> CacheFigures {
        let [success, denial] = [0, 1].map(|side: usize| self.sides[side].entries.len());
        CacheFigures { entries: [success, denial], bytes: self.bytes, ..self.figures }
    }
}

/// Keys are hashes already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
