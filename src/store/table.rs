//! The objects of one kind: those in force, and those of a list that is not complete yet.

use std::hash::Hash;
use std::sync::Arc;

use crate::model::map::Map;

/// Objects by key.
pub(super) struct Table<K, V> {
    live: Map<K, Arc<V>>,
    staged: Option<Map<K, Arc<V>>>,
    same: fn(&V, &V) -> bool,
}

impl<K: Clone + Eq + Hash, V> Table<K, V> {
    /// An empty table; `same` tells whether two objects are equal.
    pub(super) fn new(same: fn(&V, &V) -> bool) -> Self {
        Self { live: Map::default(), staged: None, same }
    }

    /// The objects in force.
    pub(super) fn live(&self) -> Map<K, Arc<V>> {
        self.live.clone()
    }

    /// One object in force.
    pub(super) fn find(&self, key: &K) -> Option<&Arc<V>> {
        self.live.get(key)
    }

    /// How many objects are in force.
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether a list is under way, so that changes do not show yet.
    pub(super) fn is_staging(&self) -> bool {
        self.staged.is_some()
    }

    /// Adds or replaces; true when what is in force changed.
    pub(super) fn put(&mut self, key: K, value: V) -> bool {
        let known = self.live.get(&key).filter(|old| (self.same)(old, &value)).cloned();
        let unchanged = known.is_some();
        let value = known.unwrap_or_else(|| Arc::new(value));
        if let Some(staged) = &mut self.staged {
            staged.insert(key, value);
            return false;
        }
        if !unchanged {
            self.live.insert(key, value);
        }
        !unchanged
    }

    /// Removes; true when what is in force changed.
    pub(super) fn remove(&mut self, key: &K) -> bool {
        if let Some(staged) = &mut self.staged {
            staged.remove(key);
            return false;
        }
        self.live.remove(key).is_some()
    }

    /// Takes what is in force into the list under way, if there is one that does not hold it yet.
    pub(super) fn keep(&mut self, key: &K) {
        if let (Some(staged), Some(known)) = (&mut self.staged, self.live.get(key))
            && !staged.contains_key(key)
        {
            staged.insert(key.clone(), known.clone());
        }
    }

    /// Starts a list.
    pub(super) fn begin(&mut self) {
        self.staged = Some(Map::default());
    }

    /// Puts the list in force; true when that changed anything.
    pub(super) fn complete(&mut self) -> bool {
        let Some(staged) = self.staged.take() else { return false };
        let same = staged.len() == self.live.len()
            && staged.iter().all(|(key, new)| self.live.get(key).is_some_and(|old| Arc::ptr_eq(old, new)));
        if !same {
            self.live = staged;
        }
        !same
    }
}
