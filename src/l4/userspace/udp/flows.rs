//! A bounded table: when it is full, those go that were idle longest.

use std::collections::HashMap;
use std::hash::Hash;

/// When there is no room, one in so many goes: looking for the oldest costs a look at all.
const SHARE: usize = 64;

pub(super) struct Flows<K, V> {
    all: HashMap<K, V>,
    limit: usize,
}

impl<K: Copy + Eq + Hash, V> Flows<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self { all: HashMap::new(), limit: limit.max(1) }
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.all.get_mut(key)
    }

    /// Adds or replaces one. `used` tells when one was last used.
    pub(super) fn insert(&mut self, key: K, value: V, used: impl Fn(&V) -> u64) {
        if self.all.len() >= self.limit && !self.all.contains_key(&key) {
            let mut times: Vec<(u64, K)> = self.all.iter().map(|(key, value)| (used(value), *key)).collect();
            let count = (self.limit / SHARE).max(1);
            times.select_nth_unstable_by_key(count - 1, |(used, _)| *used);
            for (_, key) in &times[..count] {
                self.all.remove(key);
            }
        }
        self.all.insert(key, value);
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.all.remove(key);
    }

    pub(super) fn retain(&mut self, stays: impl Fn(&V) -> bool) {
        self.all.retain(|_, value| stays(value));
    }

    pub(super) fn clear(&mut self) {
        self.all.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ones_idle_longest_make_room() {
        let mut flows = Flows::new(128);
        for key in 0..128_u64 {
            flows.insert(key, 1000 - key, |used| *used);
        }
        flows.insert(3, 997, |used| *used);
        assert_eq!(flows.all.len(), 128, "replacing needs no room");
        flows.insert(500, 2000, |used| *used);
        assert_eq!(flows.all.len(), 127);
        assert!(flows.get_mut(&127).is_none() && flows.get_mut(&126).is_none());
        assert!(flows.get_mut(&125).is_some() && flows.get_mut(&500).is_some());
    }

    #[test]
    fn there_is_room_for_one_at_least() {
        let mut flows = Flows::new(0);
        flows.insert(1, 1, |used| *used);
        flows.insert(2, 2, |used| *used);
        assert_eq!(flows.all.into_keys().collect::<Vec<_>>(), [2]);
    }
}
