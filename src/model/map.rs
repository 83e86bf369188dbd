//! A hash map whose versions share what they have in common.
//!
//! The entries lie in shards; a changed copy has new shards only where its entries differ. So a copy is one pointer, a
//! change copies a few hundredths of the whole, and two versions are compared without looking at what they share.

use std::borrow::Borrow;
use std::collections::{HashMap, hash_map};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::ops::Index;
use std::sync::Arc;

use foldhash::fast::FixedState;

/// How many shards there are: enough that copying one takes microseconds at 100,000 entries.
const SHARDS: usize = 256;

// The keys come from the cluster and not from clients, so a fixed seed is safe; it is also the fastest.
type Shard<K, V> = HashMap<K, V, FixedState>;

/// A map. Cloning shares everything.
pub struct Map<K, V> {
    /// None at all while the map is new, else [`SHARDS`].
    shards: Arc<[Arc<Shard<K, V>>]>,
    len: usize,
}

impl<K, V> Map<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every entry, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// Every key.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// Every value.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Whether both are the same version.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shards, &other.shards) || (self.is_empty() && other.is_empty())
    }
}

impl<K: Eq + Hash, V> Map<K, V> {
    /// The value of a key.
    #[inline]
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.shards.get(shard_of(key))?.get(key)
    }

    /// Whether there is such a key.
    pub fn contains_key<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// The keys that were added, removed or given another value since `former`, each once. `same` tells whether two
    /// values are the same.
    pub fn changes<'a>(&'a self, former: &'a Self, same: impl Fn(&V, &V) -> bool) -> Vec<&'a K> {
        if self.is_same(former) {
            return Vec::new();
        }
        let mut changed = Vec::new();
        for at in 0..SHARDS {
            let (new, old) = (self.shards.get(at), former.shards.get(at));
            if let (Some(new), Some(old)) = (new, old)
                && Arc::ptr_eq(new, old)
            {
                continue;
            }
            let differs = |key: &K, value: &V| {
                !old.and_then(|old| old.get(key)).is_some_and(|former| same(former, value))
            };
            let entries = new.into_iter().flat_map(|new| new.iter());
            changed.extend(entries.filter(|(key, value)| differs(key, value)).map(|(key, _)| key));
            let gone = |key: &&K| !new.is_some_and(|new| new.contains_key(*key));
            changed.extend(old.into_iter().flat_map(|old| old.keys()).filter(gone));
        }
        changed
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Map<K, V> {
    /// Adds or replaces an entry; gives the former value.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.shards.is_empty() {
            let empty = Arc::new(Shard::default());
            self.shards = std::iter::repeat_n(empty, SHARDS).collect();
        }
        let at = shard_of(&key);
        let former = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[at]).insert(key, value);
        self.len += usize::from(former.is_none());
        former
    }

    /// Removes an entry; gives its value.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.get(key)?;
        let former = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[shard_of(key)]).remove(key);
        self.len -= usize::from(former.is_some());
        former
    }

    /// Adds, replaces or, with `None`, removes an entry.
    pub fn set(&mut self, key: K, value: Option<V>) {
        match value {
            Some(value) => drop(self.insert(key, value)),
            None => drop(self.remove(&key)),
        }
    }
}

/// The shard of a key: other bits of the hash than those by which a shard places its entries.
#[inline]
fn shard_of<Q: Hash + ?Sized>(key: &Q) -> usize {
    (FixedState::default().hash_one(key) >> 40) as usize % SHARDS
}

impl<K, V> Clone for Map<K, V> {
    fn clone(&self) -> Self {
        Self { shards: self.shards.clone(), len: self.len }
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self { shards: Arc::from([]), len: 0 }
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        map.extend(entries);
        map
    }
}

impl<K: Clone + Eq + Hash, V: Clone, const N: usize> From<[(K, V); N]> for Map<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Clone + Eq + Hash, V: Clone> From<hash_map::HashMap<K, V>> for Map<K, V> {
    fn from(entries: hash_map::HashMap<K, V>) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Eq + Hash + Borrow<Q>, Q: Eq + Hash + ?Sized, V> Index<&Q> for Map<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("the key is there, or `get` is the right call")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Name;

    #[test]
    fn names_spread_over_the_shards() {
        let map: Map<Name, ()> = (0..100_000).map(|n| (format!("host-{n}.example.com").into(), ())).collect();
        let largest = map.shards.iter().map(|shard| shard.len()).max().unwrap();
        assert!(largest < 2 * map.len() / SHARDS, "{largest} in one shard");
    }

    #[test]
    fn a_change_leaves_other_versions_and_other_shards_alone() {
        let old: Map<u32, u32> = (0..1000).map(|n| (n, n)).collect();
        let mut new = old.clone();
        assert!(new.is_same(&old));
        new.insert(7, 70);
        assert_eq!((old[&7], new[&7]), (7, 70));
        let shared = new.shards.iter().zip(old.shards.iter()).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(shared, SHARDS - 1);
    }

    proptest! {
        #[test]
        fn it_behaves_like_a_plain_map_and_knows_its_changes(
            steps in prop::collection::vec((0_u16..60, prop::option::of(0_u8..4)), 0..80),
            cut in 0_usize..80,
        ) {
            let mut map = Map::default();
            let mut plain = HashMap::new();
            let mut old = (map.clone(), plain.clone());
            for (at, (key, value)) in steps.into_iter().enumerate() {
                if at == cut {
                    old = (map.clone(), plain.clone());
                }
                map.set(key, value);
                match value {
                    Some(value) => plain.insert(key, value),
                    None => plain.remove(&key),
                };
                prop_assert_eq!(map.len(), plain.len());
            }
            let found: HashMap<u16, u8> = map.iter().map(|(key, value)| (*key, *value)).collect();
            prop_assert_eq!(&found, &plain);
            let mut changes: Vec<u16> = map.changes(&old.0, |a, b| a == b).into_iter().copied().collect();
            changes.sort_unstable();
            let wanted: Vec<u16> = (0..60).filter(|key| plain.get(key) != old.1.get(key)).collect();
            prop_assert_eq!(changes, wanted);
        }
    }
}
