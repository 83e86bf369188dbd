//! Who has what only one Service can have: a frontend, the port of a health check.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::sync::Arc;

use crate::model::Key;
use crate::model::map::Map;

/// One that wants it. The least of all has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claimant {
    /// It was not allocated, only written into a field: who was given an address by the cluster goes first, so nobody
    /// takes the ClusterIP of another by naming it as an external IP.
    pub(super) written: bool,
    /// When the Service was created; the youngest when that is not known.
    pub(super) created: i64,
    /// The Service.
    pub(super) key: Key,
}

/// All claims on things of one kind. Cloning shares everything.
#[derive(Clone, Debug)]
pub(super) struct Claims<T> {
    held: Map<T, Held>,
}

/// Nearly everything is wanted by one only.
#[derive(Clone, Debug)]
enum Held {
    One(Claimant),
    Several(Arc<BTreeSet<Claimant>>),
}

impl<T> Default for Claims<T> {
    fn default() -> Self {
        Self { held: Map::default() }
    }
}

impl<T: Clone + Eq + Hash> Claims<T> {
    /// Who has it.
    pub(super) fn owner(&self, thing: &T) -> Option<&Claimant> {
        match self.held.get(thing)? {
            Held::One(claimant) => Some(claimant),
            Held::Several(all) => all.first(),
        }
    }

    /// Everybody who wants it, the owner first.
    pub(super) fn all(&self, thing: &T) -> Vec<&Claimant> {
        match self.held.get(thing) {
            None => Vec::new(),
            Some(Held::One(claimant)) => vec![claimant],
            Some(Held::Several(all)) => all.iter().collect(),
        }
    }

    pub(super) fn add(&mut self, thing: &T, claimant: Claimant) {
        let held = match self.held.remove(thing) {
            None => Held::One(claimant),
            Some(Held::One(other)) => Held::Several(Arc::new(BTreeSet::from([other, claimant]))),
            Some(Held::Several(mut all)) => {
                Arc::make_mut(&mut all).insert(claimant);
                Held::Several(all)
            }
        };
        self.held.insert(thing.clone(), held);
    }

    pub(super) fn remove(&mut self, thing: &T, claimant: &Claimant) {
        let rest = match self.held.remove(thing) {
            None => None,
            Some(Held::One(other)) => (other != *claimant).then_some(Held::One(other)),
            Some(Held::Several(mut all)) => {
                Arc::make_mut(&mut all).remove(claimant);
                match all.first() {
                    Some(last) if all.len() == 1 => Some(Held::One(last.clone())),
                    _ => Some(Held::Several(all)),
                }
            }
        };
        self.held.set(thing.clone(), rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimant(written: bool, created: i64, name: &str) -> Claimant {
        Claimant { written, created, key: Key::new("default", name) }
    }

    #[test]
    fn the_older_has_it_and_the_next_one_gets_it() {
        let mut claims = Claims::default();
        let (old, young) = (claimant(false, 1, "z"), claimant(false, 2, "a"));
        claims.add(&80, young.clone());
        claims.add(&80, old.clone());
        assert_eq!(claims.all(&80), [&old, &young]);
        claims.remove(&80, &old);
        assert_eq!(claims.owner(&80), Some(&young));
        claims.remove(&80, &young);
        assert_eq!(claims.owner(&80), None);
        claims.remove(&80, &young);
    }

    #[test]
    fn what_was_allocated_is_not_taken_by_naming_it() {
        let mut claims = Claims::default();
        claims.add(&80, claimant(true, 1, "thief"));
        claims.add(&80, claimant(false, 2, "owner"));
        claims.add(&80, claimant(false, 2, "namesake"));
        assert_eq!(&*claims.owner(&80).unwrap().key.name, "namesake");
    }
}
