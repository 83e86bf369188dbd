//! The endpoints of each Service, gathered from the objects that carry them.
//!
//! `EndpointSlice`s count where a Service has any with usable addresses; the old Endpoints object only where there are
//! none (a cluster mirrors one into the other).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::model::map::Map;
use crate::model::service::EndpointSet;
use crate::model::{Key, Kind, ObjectRef};

use super::table::Table;

/// What one object carries.
struct Held {
    service: Key,
    sets: Vec<Arc<EndpointSet>>,
}

/// Every object with endpoints, and what each Service gets out of them.
pub(super) struct Endpoints {
    slices: Table<Key, Held>,
    plain: Table<Key, Held>,
    members: HashMap<Key, BTreeSet<(Kind, Key)>>,
    live: Map<Key, Arc<[Arc<EndpointSet>]>>,
}

impl Endpoints {
    pub(super) fn new() -> Self {
        Self {
            slices: Table::new(same),
            plain: Table::new(same),
            members: HashMap::new(),
            live: Map::default(),
        }
    }

    /// The endpoints of each Service, by the Service's key.
    pub(super) fn live(&self) -> Map<Key, Arc<[Arc<EndpointSet>]>> {
        self.live.clone()
    }

    /// How many objects of this kind there are.
    pub(super) fn len(&self, kind: Kind) -> usize {
        self.table(kind).len()
    }

    /// Adds or replaces an object; true when a Service's endpoints changed.
    pub(super) fn put(&mut self, object: &ObjectRef, service: &Key, sets: Vec<EndpointSet>) -> bool {
        let (kind, key) = (object.kind, &object.key);
        let held = Held { service: service.clone(), sets: sets.into_iter().map(Arc::new).collect() };
        if self.table(kind).is_staging() {
            self.table_mut(kind).put(key.clone(), held);
            return false;
        }
        let former = self.table(kind).find(key).map(|held| held.service.clone());
        if !self.table_mut(kind).put(key.clone(), held) {
            return false;
        }
        let moved = former.filter(|former| former != service);
        if let Some(former) = &moved {
            self.leave(former, kind, key);
        }
        self.members.entry(service.clone()).or_default().insert((kind, key.clone()));
        let left = moved.is_some_and(|former| self.refresh(&former));
        self.refresh(service) || left
    }

    /// Removes an object; true when a Service's endpoints changed.
    pub(super) fn remove(&mut self, object: &ObjectRef) -> bool {
        let (kind, key) = (object.kind, &object.key);
        let former = self.table(kind).find(key).map(|held| held.service.clone());
        if !self.table_mut(kind).remove(key) {
            return false;
        }
        former.is_some_and(|service| {
            self.leave(&service, kind, key);
            self.refresh(&service)
        })
    }

    /// Takes what is in force into the list under way.
    pub(super) fn keep(&mut self, object: &ObjectRef) {
        self.table_mut(object.kind).keep(&object.key);
    }

    /// Starts a list of this kind.
    pub(super) fn begin(&mut self, kind: Kind) {
        self.table_mut(kind).begin();
    }

    /// Puts the list in force; true when a Service's endpoints changed.
    pub(super) fn complete(&mut self, kind: Kind) -> bool {
        let before = self.table(kind).live();
        if !self.table_mut(kind).complete() {
            return false;
        }
        let after = self.table(kind).live();
        let mut touched = HashSet::new();
        for (key, held) in before.iter() {
            self.leave(&held.service, kind, key);
            touched.insert(held.service.clone());
        }
        for (key, held) in after.iter() {
            self.members.entry(held.service.clone()).or_default().insert((kind, key.clone()));
            touched.insert(held.service.clone());
        }
        let mut changed = false;
        for service in &touched {
            changed |= self.refresh(service);
        }
        changed
    }

    /// Gathers a Service's endpoints anew; true when they changed.
    fn refresh(&mut self, service: &Key) -> bool {
        let members = self.members.get(service);
        let of = |wanted: Kind| -> Vec<Arc<EndpointSet>> {
            let objects = members.into_iter().flatten().filter(|(kind, _)| *kind == wanted);
            objects
                .filter_map(|(kind, key)| self.table(*kind).find(key))
                .flat_map(|held| held.sets.iter().cloned())
                .collect()
        };
        let mut sets = of(Kind::EndpointSlice);
        if sets.is_empty() {
            sets = of(Kind::Endpoints);
        }
        let known = self.live.get(service).map_or(&[][..], |known| &known[..]);
        let same = known.len() == sets.len() && known.iter().zip(&sets).all(|(a, b)| Arc::ptr_eq(a, b));
        if same {
            return false;
        }
        self.live.set(service.clone(), (!sets.is_empty()).then(|| sets.into()));
        true
    }

    fn leave(&mut self, service: &Key, kind: Kind, key: &Key) {
        if let Some(members) = self.members.get_mut(service) {
            members.remove(&(kind, key.clone()));
            if members.is_empty() {
                self.members.remove(service);
            }
        }
    }

    fn table(&self, kind: Kind) -> &Table<Key, Held> {
        if kind == Kind::EndpointSlice { &self.slices } else { &self.plain }
    }

    fn table_mut(&mut self, kind: Kind) -> &mut Table<Key, Held> {
        if kind == Kind::EndpointSlice { &mut self.slices } else { &mut self.plain }
    }
}

/// Whether two objects say the same. When that came about does not count: the time belongs to the first that said it, and
/// nobody has to do anything because another one says it again.
fn same(a: &Held, b: &Held) -> bool {
    let same = |a: &EndpointSet, b: &EndpointSet| {
        let EndpointSet { object, service, ports, endpoints, triggered: _ } = a;
        *object == b.object && *service == b.service && *ports == b.ports && *endpoints == b.endpoints
    };
    a.service == b.service
        && a.sets.len() == b.sets.len()
        && a.sets.iter().zip(&b.sets).all(|(a, b)| same(a, b))
}
