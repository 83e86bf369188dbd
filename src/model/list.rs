//! A list whose versions share what they have in common.
//!
//! The elements lie in chunks; a changed copy has new chunks only where it differs, so that changing one of 100,000
//! elements copies a few hundred.

use std::sync::Arc;

/// Elements in a chunk.
const CHUNK: usize = 256;

/// A list. Cloning costs one pointer for each chunk.
#[derive(Clone, Debug)]
pub struct List<T> {
    chunks: Vec<Arc<Vec<T>>>,
}

impl<T> List<T> {
    /// The element at an index.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Every element in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The indexes of elements that were added or changed since `former`; `same` tells whether two are the same.
    pub fn changes(&self, former: &Self, same: impl Fn(&T, &T) -> bool) -> Vec<usize> {
        let mut changed = Vec::new();
        for (at, chunk) in self.chunks.iter().enumerate() {
            let old = former.chunks.get(at);
            if old.is_some_and(|old| Arc::ptr_eq(old, chunk)) {
                continue;
            }
            let differs =
                |index: usize, new: &T| !old.and_then(|old| old.get(index)).is_some_and(|old| same(old, new));
            let differing = chunk.iter().enumerate().filter(|(index, new)| differs(*index, new));
            changed.extend(differing.map(|(index, _)| at * CHUNK + index));
        }
        changed
    }
}

impl<T: Clone> List<T> {
    /// Adds an element at the end.
    pub fn push(&mut self, element: T) {
        match self.chunks.last_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => Arc::make_mut(last).push(element),
            None => self.chunks.push(Arc::new(vec![element])),
        }
    }

    /// The element at an index, to change it.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        Arc::make_mut(self.chunks.get_mut(index / CHUNK)?).get_mut(index % CHUNK)
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T: PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<T: Clone> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut list = Self::default();
        elements.into_iter().for_each(|element| list.push(element));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_other_versions_and_other_chunks_alone() {
        let old: List<usize> = (0..1000).collect();
        let mut new = old.clone();
        *new.get_mut(700).unwrap() = 7;
        new.push(1000);
        assert_eq!(
            (old.get(700), new.get(700), new.get(1000), new.get(1001)),
            (Some(&700), Some(&7), Some(&1000), None)
        );
        assert_eq!((old.len(), new.len()), (1000, 1001));
        assert_eq!(new.changes(&old, |a, b| a == b), [700, 1000]);
        assert!(Arc::ptr_eq(&old.chunks[0], &new.chunks[0]));
        assert!(new.iter().copied().eq((0..700).chain([7]).chain(701..=1000)));
    }
}
